//! How Anthropic's models are asked to think: the form depends on the model, and several things forbid it.

use super::super::Dialect;
use super::super::hub::{Message, Part, Request, Role, ToolChoice};
use super::super::rules::Notes;
use super::super::thoughts::{budget_of_effort, effort_of_budget};

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

/// Decides by the request, the model and what has been said before.
pub(crate) fn decide(request: &Request, max_tokens: u64, notes: &mut Notes) -> Think {
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
        let effort = effort.map(|word| if word == "minimal" { "low".to_owned() } else { word });
        return Think::Adaptive { show: reasoning.show != Some(false), effort };
    }
    if owes_a_thought(&request.messages) {
        notes.warn(
            "thinking: switched off for this turn, because the tool calls before it were made without this vendor's thoughts",
        );
        return Think::Unsaid;
    }
    let wanted = reasoning.budget.or_else(|| reasoning.effort.as_deref().map(budget_of_effort));
    let wanted = wanted.unwrap_or_else(|| budget_of_effort("medium")).max(LEAST_BUDGET);
    let budget = wanted.min(max_tokens.saturating_sub(1));
    if budget < LEAST_BUDGET {
        notes.warn("thinking: not available with so small a limit on the answer");
        return Think::Unsaid;
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
    use super::*;

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
