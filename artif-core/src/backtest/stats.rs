//! How well scores tell bad addresses from others.
//!
//! Scores are higher for worse addresses. Of no scores at all every measure is NaN-free: `None`.

/// The area under the ROC curve: the probability that a bad address scores higher than another one,
/// a tie counting half; and its standard error (`DeLong`). `None` where one side is empty.
///
/// ```
/// use artif_core::backtest::auc;
///
/// assert_eq!(auc(&[0.9, 0.8], &[0.1, 0.2]).unwrap().0, 1.0);
/// assert_eq!(auc(&[0.5], &[0.5, 0.5]).unwrap().0, 0.5);
/// assert_eq!(auc(&[0.5], &[]), None);
/// ```
pub fn auc(bad: &[f64], others: &[f64]) -> Option<(f64, f64)> {
    if bad.is_empty() || others.is_empty() {
        return None;
    }
    let (bad, others) = (sorted(bad), sorted(others));
    let below = placements(&bad, &others);
    let above: Vec<f64> = placements(&others, &bad).iter().map(|share| 1.0 - share).collect();
    let mean = mean(&below);
    let error =
        (variance(&below) / bad.len() as f64 + variance(&above) / others.len() as f64).sqrt();
    Some((mean, error))
}

/// For each of `values` the share of `among` below it, ties half. Both are sorted.
fn placements(values: &[f64], among: &[f64]) -> Vec<f64> {
    let place = |value: &f64| {
        let below = among.partition_point(|other| other < value);
        let not_above = among.partition_point(|other| other <= value);
        (below + not_above) as f64 / 2.0 / among.len() as f64
    };
    values.iter().map(place).collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn variance(values: &[f64]) -> f64 {
    if values.len() < 2 {
        return 0.0;
    }
    let mean = mean(values);
    values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (values.len() - 1) as f64
}

/// Ascending, without NaN.
fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|value| !value.is_nan()).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted
}

/// The share of bad addresses caught by the threshold that takes exactly the share `fpr` (0 to 1) of
/// the others for bad; where that falls among equal scores, as many of the bad ones with this score
/// are caught as of the others. `None` where one side is empty.
///
/// ```
/// use artif_core::backtest::tpr_at;
///
/// let others: Vec<f64> = (0..100).map(f64::from).collect();
/// assert_eq!(tpr_at(&[98.5, 99.5, 3.0], &others, 0.01), Some(2.0 / 3.0));
/// assert_eq!(tpr_at(&[7.0], &[7.0; 50], 0.05), Some(0.05));
/// ```
pub fn tpr_at(bad: &[f64], others: &[f64], fpr: f64) -> Option<f64> {
    let (bad, others) = (sorted(bad), sorted(others));
    let allowed = fpr.clamp(0.0, 1.0) * others.len() as f64;
    #[expect(clippy::cast_sign_loss, reason = "a share of a count")]
    let whole = allowed as usize;
    let place = others.len().checked_sub(1)?.saturating_sub(whole);
    let threshold = *others.get(place)?;
    let above = |values: &[f64]| values.len() - values.partition_point(|v| *v <= threshold);
    let ties =
        |values: &[f64]| values.len() - above(values) - values.partition_point(|v| *v < threshold);
    if bad.is_empty() {
        return None;
    }
    let share = (allowed - above(&others) as f64).max(0.0) / ties(&others) as f64;
    Some((above(&bad) as f64 + ties(&bad) as f64 * share.min(1.0)) / bad.len() as f64)
}

/// The expected calibration error of probabilities, where bad addresses and others are given equal
/// weight: in ten bins of equal weight, the distance between the mean probability and the share of
/// bad addresses, averaged. Equal probabilities that a bin's edge falls among are split in
/// proportion. `None` where one side is empty.
///
/// ```
/// use artif_core::backtest::calibration_error;
///
/// assert_eq!(calibration_error(&[1.0], &[0.0]), Some(0.0));
/// assert_eq!(calibration_error(&[0.9; 3], &[0.9; 7]), Some(0.4)); // half of them are bad
/// ```
pub fn calibration_error(bad: &[f64], others: &[f64]) -> Option<f64> {
    const BINS: usize = 10;
    let (bad, others) = (sorted(bad), sorted(others));
    if bad.is_empty() || others.is_empty() {
        return None;
    }
    let weighed = |values: &[f64], label: f64| {
        let weight = 0.5 / values.len() as f64;
        values.iter().map(move |value| (*value, weight, label)).collect::<Vec<_>>()
    };
    let mut all = [weighed(&bad, 1.0), weighed(&others, 0.0)].concat();
    all.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    // What each bin has of probability minus truth.
    let mut gaps = [0.0; BINS];
    let mut before = 0.0_f64;
    for group in all.chunk_by(|a, b| a.0.total_cmp(&b.0).is_eq()) {
        let weight: f64 = group.iter().map(|item| item.1).sum();
        let gap: f64 = group.iter().map(|item| item.1 * (item.0 - item.2)).sum();
        for (bin, sum) in gaps.iter_mut().enumerate() {
            let from = (bin as f64 / BINS as f64).max(before);
            let to = if bin + 1 == BINS { f64::MAX } else { (bin + 1) as f64 / BINS as f64 };
            let part = (to.min(before + weight) - from).max(0.0);
            *sum += gap * (part / weight).min(1.0);
        }
        before += weight;
    }
    // The mean of a bin's |gap / weight| weighed by its weight is the sum of |gap|; within rounding.
    let error: f64 = gaps.iter().map(|gap| gap.abs()).sum();
    Some((error * 1e12).round() / 1e12)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn area(bad: &[f64], others: &[f64]) -> f64 {
        auc(bad, others).unwrap().0
    }

    fn naive_auc(bad: &[f64], others: &[f64]) -> f64 {
        let mut sum = 0.0;
        for b in bad {
            for o in others {
                sum += if b > o {
                    1.0
                } else if (b - o).abs() < 1e-12 {
                    0.5
                } else {
                    0.0
                };
            }
        }
        sum / (bad.len() * others.len()) as f64
    }

    /// The curve's corners, one a distinct score, and a straight line between them.
    fn naive_tpr(bad: &[f64], others: &[f64], fpr: f64) -> f64 {
        let mut scores: Vec<f64> = bad.iter().chain(others).copied().collect();
        scores.sort_by(|a, b| b.total_cmp(a));
        scores.dedup();
        let share = |values: &[f64], at: f64| {
            values.iter().filter(|v| **v >= at).count() as f64 / values.len() as f64
        };
        let (mut x0, mut y0) = (0.0, 0.0);
        for score in scores {
            let (x1, y1) = (share(others, score), share(bad, score));
            if x1 > fpr {
                return y0 + (y1 - y0) * (fpr - x0) / (x1 - x0);
            }
            (x0, y0) = (x1, y1);
        }
        y0
    }

    /// Every address becomes a hundred, spread over its ties, so that no bin's edge splits one.
    fn naive_calibration(bad: &[f64], others: &[f64]) -> f64 {
        let mut error = 0.0;
        for bin in 0..10 {
            let (low, high) = (f64::from(bin) / 10.0, f64::from(bin + 1) / 10.0);
            let mut gap = 0.0;
            for (values, label) in [(bad, 1.0), (others, 0.0)] {
                for value in values {
                    let mass = |test: &dyn Fn(f64) -> bool| {
                        [bad, others]
                            .iter()
                            .map(|v| {
                                v.iter().filter(|x| test(**x)).count() as f64 * 0.5 / v.len() as f64
                            })
                            .sum::<f64>()
                    };
                    let before = mass(&|x| x < *value);
                    let ties = mass(&|x| x.total_cmp(value).is_eq());
                    let inside = (high.min(before + ties) - low.max(before)).max(0.0) / ties;
                    gap += inside * 0.5 / values.len() as f64 * (value - label);
                }
            }
            error += gap.abs();
        }
        error
    }

    fn scores() -> impl Strategy<Value = Vec<f64>> {
        // Few distinct values: ties are the rule in what is compiled into bytes.
        prop::collection::vec((0_u8..12).prop_map(|step| f64::from(step) / 11.0), 1..40)
    }

    proptest! {
        #[test]
        fn all_equal_plain_counting(bad in scores(), others in scores(), fpr in 0.0..1.0_f64) {
            let (area, error) = auc(&bad, &others).unwrap();
            prop_assert!((area - naive_auc(&bad, &others)).abs() < 1e-9);
            prop_assert!((0.0..=0.8).contains(&error));
            let caught = tpr_at(&bad, &others, fpr).unwrap();
            prop_assert!((caught - naive_tpr(&bad, &others, fpr)).abs() < 1e-9);
            let gap = calibration_error(&bad, &others).unwrap();
            prop_assert!((gap - naive_calibration(&bad, &others)).abs() < 1e-9);
        }
    }

    #[test]
    fn known_values() {
        let others: Vec<f64> = (0..1000).map(f64::from).collect();
        assert_eq!(tpr_at(&[999.5], &others, 0.0), Some(1.0));
        assert_eq!(tpr_at(&[998.5], &others, 0.0), Some(0.0));
        assert_eq!(tpr_at(&[998.5], &others, 0.001), Some(1.0));
        assert_eq!(tpr_at(&[], &others, 0.1), None);
        assert_eq!(tpr_at(&[1.0], &[], 0.1), None);
        // Mann-Whitney by hand: 3 of 4 pairs in order.
        assert!((area(&[3.0, 1.0], &[2.0, 0.0]) - 0.75).abs() < 1e-12);
        assert!((area(&[f64::NAN, 1.0], &[0.0]) - 1.0).abs() < 1e-12);
        assert_eq!(calibration_error(&[], &[0.5]), None);
    }

    #[test]
    fn the_error_is_that_of_independent_draws() {
        // Two uniform samples: the variance of an AUC near 0.5 is (m + n + 1) / (12 m n).
        let mut state = 1_u64;
        let mut draw = |n: usize| -> Vec<f64> {
            let step = |state: &mut u64| {
                *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040);
                (*state >> 11) as f64 / (1_u64 << 53) as f64
            };
            (0..n).map(|_| step(&mut state)).collect()
        };
        let (area, error) = auc(&draw(2000), &draw(3000)).unwrap();
        let expected = (5001.0 / (12.0 * 2000.0 * 3000.0_f64)).sqrt();
        assert!((error / expected - 1.0).abs() < 0.05, "{error} {expected}");
        assert!((area - 0.5).abs() < 4.0 * expected, "{area}");
    }
}
