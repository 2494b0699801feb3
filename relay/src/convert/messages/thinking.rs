//! How Anthropic's models are asked to think: the form depends on the model, and several things forbid it.

use super::super::hub::{Message, Part, Request, Role, ToolChoice};
use super::super::rules::Notes;
use super::super::thoughts::{MOST_TOGETHER, budget_of_effort, effort_of_budget};
use super::super::{Dialect, Limits};

/// The least thinking budget the vendor accepts.
const LEAST_BUDGET: u64 = 1_024;

/// What to say about thinking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Think {
    /// Nothing.
    Unsaid,
    /// Not to.
    Off,
    /// As the model sees fit.
    Adaptive {
        /// Whether the thoughts are shown.
        show: bool,
        /// How hard.
        effort: Option<String>,
    },
    /// Up to so many tokens.
    Budget(u64),
}

impl Think {
    /// Whether the model will think.
    pub(crate) fn is_on(&self) -> bool {
        matches!(self, Self::Adaptive { .. } | Self::Budget(_))
    }
}

/// The version in a model's name, as in `claude-opus-4-6` or `us.anthropic.claude-3-7-sonnet-20250219-v1:0`.
fn version(model: &str) -> Option<(u32, u32)> {
    let named = model.get(model.find("claude")?..)?;
    let mut numbers = named.split(['-', '.', '@', ':']).filter_map(|word| {
        // Dates have eight digits.
        (word.len() <= 2).then(|| word.parse::<u32>().ok()).flatten()
    });
    Some((numbers.next()?, numbers.next().unwrap_or(0)))
}

/// Whether the model takes no sampling parameters at all (version 4.7 and later).
pub(crate) fn refuses_sampling(model: &str) -> bool {
    version(model).is_some_and(|version| version >= (4, 7))
}

/// How many tokens the call may produce, and how it is to think within them. A vendor's limit is one for thoughts
/// and answer together: where the caller set none, the thoughts come on top of what an answer may have.
pub(crate) fn decide(request: &Request, limits: &Limits, notes: &mut Notes) -> (u64, Think) {
    let answer = limits.default_max_output.max(1);
    let given = request.sampling.max_output.map(|limit| limit.max(1));
    let with = |thoughts: u64| given.unwrap_or_else(|| answer.max(answer.saturating_add(thoughts).min(MOST_TOGETHER)));
    let think = how(request, with, notes);
    let together = match &think {
        Think::Unsaid | Think::Off => given.unwrap_or(answer),
        Think::Adaptive { effort, .. } => with(budget_of_effort(effort.as_deref().unwrap_or("high"))),
        Think::Budget(budget) => with(*budget),
    };
    (together, think)
}

/// Decides by the request, the model and what has been said before. `with` is the limit on answer and thoughts
/// together when the thoughts may have so many tokens.
fn how(request: &Request, with: impl Fn(u64) -> u64, notes: &mut Notes) -> Think {
    let Some(reasoning) = &request.reasoning else {
        return Think::Unsaid;
    };
    if reasoning.off {
        return Think::Off;
    }
    let must_call = matches!(
        request.tool_choice,
        Some(ToolChoice::Any | ToolChoice::Named(_) | ToolChoice::Among { must: true, .. })
    );
    if must_call && !request.tools.is_empty() {
        notes.warn("thinking: switched off, because a tool call is demanded");
        return Think::Unsaid;
    }
    if version(&request.model).is_some_and(|version| version >= (4, 6)) {
        let by_budget = || reasoning.budget.map(|budget| effort_of_budget(budget).to_owned());
        let effort = reasoning.effort.clone().or_else(by_budget);
        let effort = effort.map(|word| match word.as_str() {
            "minimal" => "low".to_owned(),
            // The word came with the version after.
            "xhigh" if version(&request.model) == Some((4, 6)) => "high".to_owned(),
            _ => word,
        });
        return Think::Adaptive { show: reasoning.show != Some(false), effort };
    }
    if owes_a_thought(&request.messages) {
        notes.warn(
            "thinking: switched off for this turn, because the tool calls before it were made without this vendor's thoughts",
        );
        return Think::Unsaid;
    }
    let by_effort = || budget_of_effort(reasoning.effort.as_deref().unwrap_or("medium"));
    let wanted = reasoning.budget.unwrap_or_else(by_effort).max(LEAST_BUDGET);
    let together = with(wanted);
    // Who names a number means it, if any answer can come of it; else a quarter is kept for the answer.
    let budget = match reasoning.budget {
        Some(_) if wanted < together => wanted,
        _ => wanted.min(together - together / 4),
    };
    if budget < LEAST_BUDGET {
        notes.warn("thinking: not available with so small a limit on the answer");
        return Think::Unsaid;
    }
    if reasoning.budget.is_some() && budget < wanted {
        notes.warn(format!("thinking budget: lowered to {budget}, to leave room for the answer"));
    }
    Think::Budget(budget)
}

/// With a budget, a tool loop must start with this vendor's own thought; calls another model made have none.
fn owes_a_thought(messages: &[Message]) -> bool {
    let Some(last) = messages.iter().rposition(|message| message.role == Role::Assistant) else {
        return false;
    };
    let behind = messages.get(last + 1..).unwrap_or_default();
    let in_loop = behind.iter().flat_map(|message| &message.parts).any(|part| matches!(part, Part::ToolResult(_)));
    in_loop && !messages.get(last).is_some_and(|message| message.parts.iter().any(is_own))
}

/// Whether a part is a thought with this vendor's seal.
fn is_own(part: &Part) -> bool {
    let Part::Thinking(thought) = part else {
        return false;
    };
    thought.signature.as_ref().is_some_and(|seal| seal.origin == Dialect::Messages && !seal.value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::super::super::hub::Reasoning;
    use super::*;

    #[test]
    fn thoughts_leave_room_for_the_answer() {
        let plan = |model: &str, max_output: Option<u64>, budget: Option<u64>, effort: Option<&str>| {
            let mut request = Request { model: model.to_owned(), ..Request::default() };
            request.sampling.max_output = max_output;
            request.reasoning = Some(Reasoning { budget, effort: effort.map(str::to_owned), ..Reasoning::default() });
            let mut notes = Notes::new(Dialect::Messages);
            let plan = decide(&request, &Limits { default_max_output: 8_192 }, &mut notes);
            (plan, notes.into_warnings().len())
        };
        let old = "claude-sonnet-4-5";
        // Without a limit the thoughts come on top, as far as every model goes.
        assert_eq!(plan(old, None, None, Some("medium")), ((16_384, Think::Budget(8_192)), 0));
        assert_eq!(plan(old, None, None, Some("high")), ((32_000, Think::Budget(24_000)), 0));
        assert_eq!(plan(old, None, Some(20_000), None), ((28_192, Think::Budget(20_000)), 0));
        // Within a limit, words leave a quarter, and numbers stand if they leave anything.
        assert_eq!(plan(old, Some(2_000), None, Some("high")), ((2_000, Think::Budget(1_500)), 0));
        assert_eq!(plan(old, Some(2_000), Some(1_999), None), ((2_000, Think::Budget(1_999)), 0));
        assert_eq!(plan(old, Some(2_000), Some(2_000), None), ((2_000, Think::Budget(1_500)), 1));
        assert_eq!(plan(old, Some(1_200), None, Some("low")), ((1_200, Think::Unsaid), 1));
        let adaptive = |effort: &str| Think::Adaptive { show: true, effort: Some(effort.to_owned()) };
        assert_eq!(plan("claude-sonnet-4-6", None, None, Some("medium")), ((16_384, adaptive("medium")), 0));
        assert_eq!(plan("claude-sonnet-4-6", Some(500), None, Some("xhigh")), ((500, adaptive("high")), 0));
        assert_eq!(plan("claude-opus-4-7", Some(500), None, Some("xhigh")), ((500, adaptive("xhigh")), 0));
    }

    #[test]
    fn versions_are_read_from_every_spelling() {
        for (model, want) in [
            ("claude-opus-4-6", Some((4, 6))),
            ("us.anthropic.claude-opus-4-7-v1", Some((4, 7))),
            ("claude-sonnet-5", Some((5, 0))),
            ("anthropic.claude-3-7-sonnet-20250219-v1:0", Some((3, 7))),
            ("claude-sonnet-4-20250514", Some((4, 0))),
            ("claude-opus-4-5@20251101", Some((4, 5))),
            ("kimi-k2", None),
            ("claude", None),
        ] {
            assert_eq!(version(model), want, "{model}");
        }
    }
}
