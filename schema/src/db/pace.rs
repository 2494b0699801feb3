//! How long a statement may run: people who wait are told soon that it takes too long; work beside them has time.
//! SQLite, which has no such limit, is not asked.

use std::time::Duration;

tokio::task_local! {
    static PACE: Pace;
}

/// Whether somebody waits for the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Somebody waits: a request.
    Prompt,
    /// Nobody does: retention, sums, exports, start-up.
    Patient,
}

impl Pace {
    /// The longest one statement may run. Reports read the hourly sums, so nothing honest comes near it.
    pub const fn limit(self) -> Duration {
        match self {
            Self::Prompt => Duration::from_secs(5),
            Self::Patient => Duration::from_secs(60),
        }
    }
}

/// The pace of the work at hand: prompt unless it is said to be [`patient`].
pub fn pace() -> Pace {
    PACE.try_with(|pace| *pace).unwrap_or(Pace::Prompt)
}

/// Work that nobody waits for: its statements may run longer. What it spawns elsewhere is prompt again.
pub async fn patient<T>(work: impl Future<Output = T>) -> T {
    PACE.scope(Pace::Patient, work).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_is_prompt_unless_it_is_said_to_be_patient() {
        assert_eq!(pace(), Pace::Prompt);
        assert_eq!(patient(async { pace() }).await, Pace::Patient);
        assert_eq!(patient(async { tokio::spawn(async { pace() }).await }).await.ok(), Some(Pace::Prompt));
        assert!(Pace::Prompt.limit() < Pace::Patient.limit());
    }
}
