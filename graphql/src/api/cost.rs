//! What the graph's own fields weigh, beyond a point an object: lists that are no pages, and what asks the
//! database or a vendor for more than rows.

use crate::transport::cost::CostRules;

/// The rules.
pub fn rules() -> CostRules {
    let mut rules = CostRules::default();
    // Lists without paging arguments, by the size they usually have.
    rules.sizes.extend([("settings", 60), ("publicPlans", 10)]);
    rules
}
