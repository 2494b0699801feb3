//! What the graph's own fields weigh, beyond a point an object: lists that are no pages, and what asks the
//! database or a vendor for more than rows.

use crate::transport::cost::CostRules;

/// The rules.
pub fn rules() -> CostRules {
    let mut rules = CostRules::default();
    // Lists without paging arguments, by the size they usually have.
    rules.sizes.extend([
        ("settings", 60),
        ("publicPlans", 10),
        ("UsageSeries.points", 60),
        ("UsageLine.sums", 60),
        ("UsageCosts.models", 50),
        ("RouteExplanation.verdicts", 50),
        ("revenueByDay", 60),
        ("revenueByMonth", 12),
    ]);
    // What asks a vendor, or the books more than once.
    rules.weights.extend([
        ("Announcement.stats", 10),
        ("Dashboard.usage", 10),
        ("Dashboard.accounts", 10),
        ("accountTest", 100),
        ("accountRefresh", 100),
        ("accountProfile", 100),
        ("connectFinish", 100),
        ("explainRoute", 20),
    ]);
    rules
}
