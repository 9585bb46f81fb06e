//! Differences in time, counted in little memory.

/// Hours up to here are told apart, beyond only days are.
const FINE: i32 = 48;
/// Days up to here are told apart: as long as listings can be kept for by default, and longer.
const DAYS: i32 = 120;
const HALF: i32 = FINE + DAYS;
const BINS: usize = (2 * HALF + 1).unsigned_abs() as usize;

/// How often which lag was met, to the hour up to two days and to the day beyond.
#[derive(Debug, Clone)]
pub(super) struct Lags {
    bins: Box<[u64]>,
    count: u64,
}

impl Default for Lags {
    fn default() -> Self {
        Self { bins: vec![0; BINS].into(), count: 0 }
    }
}

impl Lags {
    /// Counts a lag of so many seconds `times` times.
    pub(super) fn add(&mut self, seconds: i64, times: u64) {
        if let Some(bin) = self.bins.get_mut(bin(seconds)) {
            *bin += times;
            self.count += times;
        }
    }

    /// The median in hours, the lower one of two; `None` of nothing.
    pub(super) fn median(&self) -> Option<f64> {
        let half = self.count.div_ceil(2);
        let mut seen = 0;
        let place = self.bins.iter().position(|bin| {
            seen += bin;
            half > 0 && seen >= half
        })?;
        let step = i32::try_from(place).ok()? - HALF;
        let hours = if step.abs() <= FINE {
            step
        } else {
            step.signum() * 24 * (step.abs() - FINE + FINE / 24)
        };
        Some(f64::from(hours))
    }
}

fn bin(seconds: i64) -> usize {
    let size = seconds.abs();
    let (fine, days) = (i64::from(FINE), i64::from(DAYS));
    let hours = (size + 1800) / 3600;
    let step = if hours <= fine {
        hours
    } else {
        ((size + 43_200) / 86_400 - fine / 24).clamp(0, days) + fine
    };
    usize::try_from(i64::from(HALF) + seconds.signum() * step).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_to_the_hour_then_to_the_day() {
        let median = |hours: &[i64]| {
            let mut lags = Lags::default();
            for hours in hours {
                lags.add(hours * 3600, 1);
            }
            lags.median()
        };
        assert_eq!(median(&[]), None);
        for hours in [0, 1, -1, 47, 48, -48, 72, -72, 240, -240, 24 * 90] {
            assert_eq!(median(&[hours]), Some(hours as f64), "{hours}");
        }
        assert_eq!((median(&[49]), median(&[61])), (Some(48.0), Some(72.0)));
        assert_eq!(median(&[5, 1, 3]), Some(3.0));
        assert_eq!(median(&[5, 1]), Some(1.0));
        assert_eq!(median(&[24 * 400]), Some(24.0 * 122.0), "the last bin");
        assert_eq!(median(&[-24 * 20_000]), Some(-24.0 * 122.0));
    }

    #[test]
    fn half_hours_are_rounded() {
        let mut lags = Lags::default();
        lags.add(1799, 3);
        assert_eq!(lags.median(), Some(0.0));
        lags.add(-1800, 4);
        assert_eq!(lags.median(), Some(-1.0));
    }
}
