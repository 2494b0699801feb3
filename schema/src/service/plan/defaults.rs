//! The plans a new installation can begin with.

use crate::clock::{Time, Zone};
use crate::model::plan::{Cycle, FREE, PlanFeatures};
use crate::service::plan::PlanDraft;

struct Outline {
    slug: &'static str,
    name: &'static str,
    description: &'static str,
    price: i64,
    original_price: Option<i64>,
    daily_requests: i64,
    max_api_keys: i64,
    models: &'static [&'static str],
    support: &'static str,
    recommended: bool,
    points: &'static [&'static str],
}

/// Prices in fen; the texts are those of the shop window these plans were made for.
const OUTLINES: [Outline; 4] = [
    Outline {
        slug: FREE,
        name: "免费版",
        description: "适合个人试用和轻量使用",
        price: 0,
        original_price: None,
        daily_requests: 1_000,
        max_api_keys: 1,
        models: &["claude-sonnet-4-5"],
        support: "community",
        recommended: false,
        points: &["每日 1,000 次请求", "支持 1 个 Claude 模型", "1 个 API 密钥", "社区技术支持", "99% 服务可用性"],
    },
    Outline {
        slug: "basic",
        name: "基础版",
        description: "适合个人开发者",
        price: 19_900,
        original_price: None,
        daily_requests: 10_000,
        max_api_keys: 3,
        models: &["claude-sonnet-4-5", "claude-haiku-4-5"],
        support: "email",
        recommended: false,
        points: &["每日 10,000 次请求", "支持 2 个 Claude 模型", "3 个 API 密钥", "邮件技术支持", "99.5% 服务可用性"],
    },
    Outline {
        slug: "pro",
        name: "专业版",
        description: "适合专业开发者和小型团队",
        price: 39_900,
        original_price: Some(59_900),
        daily_requests: 50_000,
        max_api_keys: 10,
        models: &[],
        support: "priority",
        recommended: true,
        points: &["每日 50,000 次请求", "支持全部 Claude 模型", "10 个 API 密钥", "优先技术支持", "99.9% 服务可用性"],
    },
    Outline {
        slug: "enterprise",
        name: "企业版",
        description: "适合企业和大型团队",
        price: 199_900,
        original_price: None,
        daily_requests: 500_000,
        max_api_keys: 100,
        models: &[],
        support: "dedicated",
        recommended: false,
        points: &[
            "每日 500,000 次请求",
            "支持全部 Claude 模型",
            "100 个 API 密钥",
            "专属技术支持",
            "99.95% 服务可用性",
        ],
    },
];

/// The default plans; a promotion runs to the end of next year, so that its date is never past on the first day.
pub(super) fn plans(zone: &Zone, now: Time) -> Vec<PlanDraft> {
    let promotion_end = zone.year_start(zone.year(now).saturating_add(2)).map(|t| t.plus(-1));
    (10..).step_by(10).zip(OUTLINES).map(|(sort, outline)| draft(outline, sort, promotion_end)).collect()
}

fn draft(outline: Outline, sort: i64, promotion_end: Option<Time>) -> PlanDraft {
    let owned = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
    PlanDraft {
        slug: outline.slug.to_owned(),
        name: outline.name.to_owned(),
        display_name: outline.name.to_owned(),
        description: outline.description.to_owned(),
        price: outline.price,
        original_price: outline.original_price,
        currency: "CNY".to_owned(),
        cycle: Cycle::Monthly,
        cycle_days: None,
        features: PlanFeatures {
            daily_requests: Some(outline.daily_requests),
            daily_cost: None,
            max_api_keys: Some(outline.max_api_keys),
            services: owned(&["claude"]),
            models: owned(outline.models),
            support: outline.support.to_owned(),
        },
        selling_points: owned(outline.points),
        recommended: outline.recommended,
        promotion_ends_at: outline.original_price.and(promotion_end),
        is_active: true,
        is_visible: true,
        sort,
    }
}
