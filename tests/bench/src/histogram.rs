//! A log-linear histogram: 128 buckets an octave, so that any value is kept to within one percent.

const BITS: u32 = 7;
const LINEAR: u64 = 1 << BITS;

/// Counts of values of any size in constant memory.
#[derive(Clone)]
pub(crate) struct Histogram {
    counts: Vec<u64>,
    total: u64,
    sum: u128,
    max: u64,
}

impl Histogram {
    pub(crate) fn new() -> Histogram {
        let octaves = (64 - BITS) as usize;
        Histogram { counts: vec![0; (octaves + 1) * LINEAR as usize], total: 0, sum: 0, max: 0 }
    }

    pub(crate) fn record(&mut self, value: u64) {
        self.counts[bucket(value)] += 1;
        self.total += 1;
        self.sum += u128::from(value);
        self.max = self.max.max(value);
    }

    pub(crate) fn merge(&mut self, other: &Histogram) {
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine += theirs;
        }
        self.total += other.total;
        self.sum += other.sum;
        self.max = self.max.max(other.max);
    }

    pub(crate) fn count(&self) -> u64 {
        self.total
    }

    pub(crate) fn max(&self) -> u64 {
        self.max
    }

    pub(crate) fn mean(&self) -> f64 {
        if self.total == 0 { 0.0 } else { self.sum as f64 / self.total as f64 }
    }

    /// The value that `share` of all values do not exceed (to within the width of a bucket).
    pub(crate) fn quantile(&self, share: f64) -> u64 {
        let rank = ((share * self.total as f64).ceil() as u64).clamp(1, self.total.max(1));
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return upper(bucket).min(self.max);
            }
        }
        self.max
    }
}

/// Values below 128 have a bucket each; above, the leading seven bits after the first choose it.
fn bucket(value: u64) -> usize {
    if value < LINEAR {
        return value as usize;
    }
    let octave = 63 - value.leading_zeros() - BITS;
    let within = (value >> octave) - LINEAR;
    ((u64::from(octave) + 1) * LINEAR + within) as usize
}

/// The largest value of a bucket.
fn upper(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < LINEAR {
        return bucket;
    }
    let octave = bucket / LINEAR - 1;
    let within = bucket % LINEAR + LINEAR;
    (((u128::from(within) + 1) << octave) - 1) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_lies_in_its_bucket_and_the_bucket_is_narrow() {
        let mut values: Vec<u64> = (0..10_000).collect();
        values.extend((14..64).flat_map(|bits| [(1u64 << bits) - 1, 1 << bits, (1 << bits) + (1 << (bits - 3))]));
        values.push(u64::MAX);
        for value in values {
            let bucket = bucket(value);
            assert!(upper(bucket) >= value, "{value}");
            assert!(bucket == 0 || upper(bucket - 1) < value, "{value}");
            assert!((upper(bucket) - value) as f64 <= value as f64 * 0.008, "{value}");
        }
    }

    #[test]
    fn quantiles_of_a_line_are_on_the_line() {
        let mut histogram = Histogram::new();
        let mut other = Histogram::new();
        (1..=50_000u64).for_each(|value| histogram.record(value));
        (50_001..=100_000u64).for_each(|value| other.record(value));
        histogram.merge(&other);
        for share in [0.5, 0.9, 0.99, 0.999] {
            let got = histogram.quantile(share) as f64;
            assert!((got / (share * 100_000.0) - 1.0).abs() < 0.01, "{share}: {got}");
        }
        assert_eq!((histogram.max(), histogram.count(), histogram.mean()), (100_000, 100_000, 50_000.5));
        assert_eq!(Histogram::new().quantile(0.5), 0);
    }
}
