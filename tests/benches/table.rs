//! What was measured: figures with a row a way, a column a quantity, and the aims.

use std::collections::BTreeMap;

use anyhow::Result;
use serde_json::{Value, json};

/// What one round of one way comes to: values by the key of their column.
pub(crate) type Values = Vec<(&'static str, f64)>;

/// A table.
#[derive(Debug)]
pub(crate) struct Figure {
    /// Short name, for files and `--only`.
    pub(crate) id: &'static str,
    /// What it shows.
    pub(crate) title: String,
    /// What was measured; the first column is plotted.
    pub(crate) columns: &'static [Column],
    /// The ways.
    pub(crate) rows: Vec<Row>,
    /// What was hoped for.
    pub(crate) aims: Vec<Aim>,
}

/// A quantity.
#[derive(Debug)]
pub(crate) struct Column {
    /// Name in JSON.
    pub(crate) key: &'static str,
    /// Heading.
    pub(crate) head: &'static str,
    /// Digits after the point.
    pub(crate) digits: usize,
}

/// One way's measurements, a value a round.
#[derive(Debug)]
pub(crate) struct Row {
    /// The way.
    pub(crate) name: String,
    values: BTreeMap<&'static str, Vec<f64>>,
    /// Why there are no values, or no more.
    pub(crate) failure: Option<String>,
}

/// Median and range of a row's values in one column.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spread {
    /// The middle value.
    pub(crate) median: f64,
    /// The lowest one.
    pub(crate) min: f64,
    /// The highest one.
    pub(crate) max: f64,
}

/// Something hoped for.
#[derive(Debug)]
pub(crate) struct Aim {
    /// What it is.
    pub(crate) text: String,
    /// What came out; none when it couldn't be measured.
    pub(crate) value: Option<f64>,
    /// Where it should lie.
    pub(crate) bound: Bound,
    /// Whether it is more than what has to be.
    pub(crate) stretch: bool,
}

/// Where a value should lie.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Bound {
    /// No higher.
    AtMost(f64),
    /// No lower.
    AtLeast(f64),
}

impl Row {
    /// A row without values.
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), values: BTreeMap::new(), failure: None }
    }

    /// Adds a round's values, or why there are none.
    pub(crate) fn add(&mut self, round: Result<Values>) {
        match round {
            Ok(values) => {
                for (key, value) in values {
                    self.values.entry(key).or_default().push(value);
                }
            }
            Err(error) => self.failure = Some(format!("{error:#}")),
        }
    }

    /// What the values of a column come to.
    pub(crate) fn spread(&self, key: &str) -> Option<Spread> {
        let mut values = self.values.get(key)?.clone();
        values.sort_by(f64::total_cmp);
        let (min, max) = (*values.first()?, *values.last()?);
        Some(Spread { median: quantile(&values, 0.5), min, max })
    }

    /// This row's values divided by those of another in the same rounds.
    fn ratios(&self, other: &Self, key: &str) -> Vec<f64> {
        let values = |row: &Self| row.values.get(key).cloned().unwrap_or_default();
        values(self).into_iter().zip(values(other)).map(|(own, other)| own / other).collect()
    }
}

/// A quantile of sorted values.
pub(crate) fn quantile(sorted: &[f64], quantile: f64) -> f64 {
    let last = sorted.len().saturating_sub(1) as f64;
    let (low, high) = ((last * quantile).floor(), (last * quantile).ceil());
    let at = |index: f64| sorted.get(index as usize).copied().unwrap_or(f64::NAN);
    at(low) + (at(high) - at(low)) * (last * quantile - low)
}

impl Figure {
    /// The row of a way.
    pub(crate) fn row(&self, name: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.name == name)
    }

    /// The median of a way's values.
    pub(crate) fn median(&self, name: &str, key: &str) -> Option<f64> {
        Some(self.row(name)?.spread(key)?.median)
    }

    /// The median of a way's values, each divided by another way's of the same round.
    pub(crate) fn ratio(&self, name: &str, to: &str, key: &'static str) -> Option<f64> {
        let ratios = self.row(name)?.ratios(self.row(to)?, key);
        let mut row = Row::new(name);
        row.values.insert(key, ratios);
        Some(row.spread(key)?.median)
    }

    /// Fills a column with every way's ratio to one of them.
    pub(crate) fn compare(&mut self, to: &str, key: &'static str, column: &'static str) {
        let Some(base) = self.row(to) else { return };
        let ratios: Vec<Vec<f64>> = self.rows.iter().map(|row| row.ratios(base, key)).collect();
        for (row, ratios) in self.rows.iter_mut().zip(ratios) {
            row.values.insert(column, ratios);
        }
    }

    /// What has to be.
    pub(crate) fn aim(&mut self, text: impl Into<String>, value: Option<f64>, bound: Bound) {
        self.aims.push(Aim { text: text.into(), value, bound, stretch: false });
    }

    /// What would be more than that.
    pub(crate) fn stretch(&mut self, text: impl Into<String>, value: Option<f64>, bound: Bound) {
        self.aims.push(Aim { text: text.into(), value, bound, stretch: true });
    }

    /// Everything, for other programs.
    pub(crate) fn json(&self) -> Value {
        let row = |row: &Row| {
            let values: BTreeMap<_, _> = row
                .values
                .iter()
                .filter_map(|(key, rounds)| {
                    let Spread { median, min, max } = row.spread(key)?;
                    let of = json!({ "median": median, "min": min, "max": max, "rounds": rounds });
                    Some((key, of))
                })
                .collect();
            json!({ "way": row.name, "values": values, "failure": row.failure })
        };
        json!({
            "id": self.id,
            "title": self.title,
            "rows": self.rows.iter().map(row).collect::<Vec<_>>(),
            "aims": self.aims.iter().map(Aim::json).collect::<Vec<_>>(),
        })
    }
}

impl Aim {
    /// Whether it came true. What couldn't be measured didn't.
    pub(crate) fn is_met(&self) -> bool {
        match self.bound {
            Bound::AtMost(bound) => self.value.is_some_and(|value| value <= bound),
            Bound::AtLeast(bound) => self.value.is_some_and(|value| value >= bound),
        }
    }

    fn json(&self) -> Value {
        let (relation, bound) = match self.bound {
            Bound::AtMost(bound) => ("at_most", bound),
            Bound::AtLeast(bound) => ("at_least", bound),
        };
        json!({
            "aim": self.text, "value": self.value, relation: bound,
            "stretch": self.stretch, "met": self.is_met(),
        })
    }
}
