//! CPU time and memory of a process and all its descendants, from `/proc`.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::json;

use crate::arguments::Arguments;
use crate::say;

/// Linux counts processes' time in hundredths of a second whatever the kernel's own tick.
const TICK_US: u64 = 10_000;

/// What a process tree has used and holds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sample {
    /// User and system time in microseconds, of dead and waited-for children too.
    pub(crate) cpu_us: u64,
    /// Resident memory now, in KiB. Pages shared between processes count in each.
    pub(crate) rss_kib: u64,
}

/// Adds up the trees of several roots.
pub(crate) fn sample(roots: &[u32]) -> Sample {
    let mut parents = HashMap::new();
    let mut used = HashMap::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
        // The name may hold spaces and brackets; the fields begin after its last bracket.
        let Some((_, fields)) = stat.rsplit_once(')') else { continue };
        let fields: Vec<u64> = fields.split_whitespace().skip(1).map(|field| field.parse().unwrap_or(0)).collect();
        let [parent, ..] = fields[..] else { continue };
        parents.insert(pid, u32::try_from(parent).unwrap_or(0));
        used.insert(pid, fields.get(10..14).map_or(0, |times| times.iter().sum::<u64>()));
    }
    let belongs = |mut pid: u32| {
        for _ in 0..64 {
            if roots.contains(&pid) {
                return true;
            }
            match parents.get(&pid) {
                Some(parent) => pid = *parent,
                None => return false,
            }
        }
        false
    };
    let mut total = Sample::default();
    for (pid, ticks) in &used {
        if belongs(*pid) {
            total.cpu_us += ticks * TICK_US;
            total.rss_kib += resident(*pid);
        }
    }
    total
}

fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

pub(crate) fn pids(arguments: &Arguments, name: &str) -> Result<Vec<u32>, String> {
    let words = arguments.all(name).flat_map(|value| value.split(',')).filter(|word| !word.is_empty());
    words.map(|word| word.parse().map_err(|_| format!("--{name}: `{word}` is no process id"))).collect()
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), String> {
    let roots = pids(arguments, "pid")?;
    if roots.is_empty() {
        return Err("--pid is needed".to_owned());
    }
    let seconds: f64 = arguments.or("seconds", 1.0)?;
    let before = sample(&roots);
    let (mut peak, mut left) = (before.rss_kib, seconds);
    while left > 0.0 {
        std::thread::sleep(Duration::from_secs_f64(left.min(0.1)));
        left -= 0.1;
        peak = peak.max(sample(&roots).rss_kib);
    }
    let after = sample(&roots);
    let line = json!({
        "seconds": seconds, "cpu_us": after.cpu_us.saturating_sub(before.cpu_us), "rss_kib": after.rss_kib,
        "peak_rss_kib": peak
    });
    say(&mut std::io::stdout(), &line.to_string());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_work_is_counted() {
        let me = [std::process::id()];
        let before = sample(&me);
        let began = std::time::Instant::now();
        let mut n = 0u64;
        while began.elapsed() < Duration::from_millis(120) {
            n = std::hint::black_box(n.wrapping_mul(31).wrapping_add(7));
        }
        let after = sample(&me);
        assert!(after.cpu_us >= before.cpu_us + 50_000, "{before:?} {after:?}");
        assert!(after.rss_kib > 100);
        assert_eq!(sample(&[]).cpu_us, 0);
    }
}
