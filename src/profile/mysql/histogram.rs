//! Histograms of MySQL: JSON with buckets of single values, or of values from one to another (MySQL 9.7 manual, 10.9.6
//! "Optimizer Statistics").

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;

use super::super::{ColumnProfile, Keep};
use crate::snapshot::grow::estimate::behind_sample;
use crate::snapshot::mysql::grow::Kind;

/// A text in a histogram has so many letters at most.
pub(super) const LETTERS: usize = 42;

#[derive(Debug, Deserialize)]
struct Histogram {
    buckets: Vec<Vec<Value>>,
    #[serde(rename = "null-values")]
    nulls: f64,
    /// The share of the rows that were looked at.
    #[serde(rename = "sampling-rate")]
    sampled: f64,
    #[serde(rename = "data-type")]
    data_type: String,
}

/// What a histogram says of a column of a table with so many rows; `None` if it cannot be read.
pub(super) fn column(
    (name, declared, kind): (&str, &str, &Kind),
    json: &str,
    rows: u64,
    keep: Keep,
) -> Option<ColumnProfile> {
    let histogram: Histogram = serde_json::from_str(json).ok()?;
    let is_text = !matches!(
        histogram.data_type.as_str(),
        "int" | "uint" | "decimal" | "double" | "date" | "datetime" | "time" | "enum"
    );
    let mut values: Vec<(String, f64)> = Vec::new();
    let (mut bounds, mut counts, mut last) = (Vec::new(), Vec::new(), None);
    let mut below = 0.0;
    for bucket in &histogram.buckets {
        match bucket.as_slice() {
            [value, upto] => {
                let upto = upto.as_f64()?;
                values.push((shown(value, kind)?, upto - below));
                below = upto;
            }
            [low, high, upto, distinct] => {
                let (upto, distinct) = (upto.as_f64()?, distinct.as_u64()?);
                if distinct == 1 {
                    values.push((shown(low, kind)?, upto - below));
                } else {
                    bounds.push(shown(low, kind)?);
                    counts.push((upto - below, distinct as f64));
                    last = Some(shown(high, kind)?);
                }
                below = upto;
            }
            _ => return None,
        }
    }
    bounds.extend(last);
    let counts = true_counts(&counts, rows as f64, histogram.sampled);
    values.sort_by(|a, b| b.1.total_cmp(&a.1));
    let distinct = values.len() as u64 + counts.iter().sum::<u64>();
    let (values, frequencies): (Vec<String>, Vec<f64>) = values.into_iter().unzip();
    let bytes = |texts: &[String]| -> Vec<u32> {
        texts.iter().map(|text| u32::try_from(text.len()).unwrap_or(u32::MAX)).collect()
    };
    let mut widths = if is_text { bytes(&bounds) } else { Vec::new() };
    widths.sort_unstable();
    let value_widths = if is_text { bytes(&values) } else { Vec::new() };
    // Of texts the histogram has the beginnings, which are kept if every value is. Hashes come later.
    let keeps_bounds = if is_text { keep == Keep::Kept } else { keep != Keep::None };
    let keeps_values = keeps_bounds || keep == Keep::Hashed;
    Some(ColumnProfile {
        name: name.to_owned(),
        declared: declared.to_owned(),
        null_fraction: histogram.nulls.clamp(0.0, 1.0),
        distinct: distinct as f64,
        frequencies: frequencies.into_iter().map(|share| share.clamp(0.0, 1.0)).collect(),
        values: keeps_values.then_some(values),
        value_widths,
        bounds: keeps_bounds.then_some(bounds).filter(|bounds| !bounds.is_empty()),
        widths,
        part_distinct: counts,
        ..ColumnProfile::default()
    })
}

/// How many different values there are in buckets of these shares of the rows, of which the server tells so many.
fn true_counts(told: &[(f64, f64)], rows: f64, sampled: f64) -> Vec<u64> {
    let all = all_different(told, rows, sampled);
    let count = |(share, distinct): &(f64, f64)| {
        let in_bucket = share * rows;
        let distinct = if all { in_bucket } else { behind_sample(*distinct, in_bucket, sampled) };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of rows")]
        let distinct = distinct.round().max(1.0) as u64;
        distinct
    };
    told.iter().map(count).collect()
}

/// Whether no value came twice in the sample: then what is told of each bucket grows with its share alone, to the digit. (How many
/// rows there are is reckoned, and too coarse to tell.)
fn all_different(told: &[(f64, f64)], rows: f64, sampled: f64) -> bool {
    if sampled >= 1.0 || told.len() < 10 {
        return false;
    }
    let count = told.len() as f64;
    let ratio = |(share, distinct): &(f64, f64)| (distinct + 0.5) / share;
    let mean = told.iter().map(ratio).sum::<f64>() / count;
    let variance = told.iter().map(|bucket| (ratio(bucket) / mean - 1.0).powi(2)).sum::<f64>() / count;
    // The numbers are cut to whole ones, and one bucket may be a rest.
    let cut = 1.0 / told.iter().map(|(_, distinct)| *distinct).fold(f64::MAX, f64::min);
    variance.sqrt() < cut && (mean / sampled.sqrt() / rows - 1.0).abs() < 0.1
}

/// A value of a bucket as text: that of an enumerated type by its label.
fn shown(value: &Value, kind: &Kind) -> Option<String> {
    match value {
        Value::String(text) => match text.strip_prefix("base64:").and_then(|rest| rest.split_once(':')) {
            Some((_, encoded)) => Some(String::from_utf8_lossy(&STANDARD.decode(encoded).ok()?).into_owned()),
            None => Some(text.clone()),
        },
        Value::Number(number) => match kind {
            Kind::Enum(labels) => labels.get(usize::try_from(number.as_u64()?).ok()?.checked_sub(1)?).cloned(),
            _ => Some(number.to_string()),
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_of_one_value_are_common_ones_and_the_others_are_parts() {
        let json = r#"{"buckets": [[1, 9, 0.25, 9], [10, 10, 0.5, 1], [11, 40, 0.75, 20]], "null-values": 0.25,
                      "sampling-rate": 1.0, "data-type": "int", "histogram-type": "equi-height"}"#;
        let kind = Kind::Int { least: 0, greatest: 100 };
        let read = column(("channel", "int", &kind), json, 100, Keep::Numbers).expect("a histogram");
        assert_eq!((read.values, read.frequencies), (Some(vec!["10".to_owned()]), vec![0.25]));
        assert_eq!(read.bounds, Some(["1", "11", "40"].map(str::to_owned).into()));
        assert_eq!((read.part_distinct, read.distinct, read.null_fraction), (vec![9, 20], 30.0, 0.25));
    }

    #[test]
    fn what_came_once_in_the_sample_is_told_from_what_came_twice() {
        // As MySQL 9.7 told it of a column without two equal values, and of one with a few, each of 60,000 rows.
        let unique = [(0.003_982_7, 124.0); 20];
        assert_eq!(true_counts(&unique, 58_675.0, 0.289)[0], 234);
        let doubled: Vec<(f64, f64)> = (0..20).map(|at| (0.01, 290.0 - f64::from(at % 5) * 6.0)).collect();
        assert!(true_counts(&doubled, 60_000.0, 0.289).iter().all(|count| *count < 560));
    }

    #[test]
    fn texts_leave_their_lengths_alone_and_enumerated_types_their_labels() {
        let json = r#"{"buckets": [["base64:type254:YcODwqk=", 0.4], ["base64:type254:Yg==", 1.0]], "null-values": 0.0,
                      "sampling-rate": 1.0, "data-type": "string"}"#;
        let read =
            column(("code", "varchar(9)", &Kind::Text { limit: 9 }), json, 100, Keep::Numbers).expect("a histogram");
        assert_eq!((read.values, read.bounds, read.value_widths), (None, None, vec![1, 5]));
        let json = r#"{"buckets": [[2, 1.0]], "null-values": 0.0, "sampling-rate": 1.0, "data-type": "enum"}"#;
        let kind = Kind::Enum(["new", "paid"].map(str::to_owned).into());
        let read = column(("status", "enum('new','paid')", &kind), json, 100, Keep::Numbers).expect("a histogram");
        assert_eq!(read.values, Some(vec!["paid".to_owned()]));
    }
}
