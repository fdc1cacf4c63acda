//! The fields of a cron pattern, checked one by one so that a fault can be told to people.

use super::PatternError;

/// One field: its name, its bounds, and the words it takes beside numbers.
struct Field {
    name: &'static str,
    min: u8,
    max: u8,
    words: &'static [&'static str],
    /// The number of the first word.
    first: u8,
}

const MONTHS: &[&str] =
    &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const DAYS: &[&str] = &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

const FIELDS: [Field; 6] = [
    Field { name: "second", min: 0, max: 59, words: &[], first: 0 },
    Field { name: "minute", min: 0, max: 59, words: &[], first: 0 },
    Field { name: "hour", min: 0, max: 23, words: &[], first: 0 },
    Field { name: "day of month", min: 1, max: 31, words: &[], first: 0 },
    Field { name: "month", min: 1, max: 12, words: MONTHS, first: 1 },
    Field { name: "day of week", min: 0, max: 7, words: DAYS, first: 0 },
];

const DAY_OF_MONTH: usize = 3;
const DAY_OF_WEEK: usize = 5;

/// A pattern's six fields in croner's words, and what is known about them.
#[derive(Clone, Debug)]
pub struct Fields {
    /// `second minute hour day-of-month month day-of-week`, upper case, words as numbers.
    pub text: String,
    /// Seconds, minutes and hours as sets of bits.
    pub clock: [u64; 3],
    /// The hour field is `*`, has a step, or names all hours.
    pub hour_is_wild: bool,
    /// A day field begins with `*`: then both must hold, else one is enough.
    pub day_is_wild: bool,
}

/// Reads 5 or 6 fields, or `@daily` and its like.
pub fn read(text: &str) -> Result<Fields, PatternError> {
    let upper = text.trim().to_ascii_uppercase();
    if upper.len() > super::PATTERN_BYTES_MAX {
        return Err(PatternError::TooLong { bytes: upper.len() });
    }
    let upper = if upper.starts_with('@') { nickname(&upper)?.to_owned() } else { upper };
    let mut parts: Vec<&str> = upper.split_whitespace().collect();
    match parts.len() {
        5 => parts.insert(0, "0"),
        6 => {}
        found => return Err(PatternError::FieldCount { found }),
    }
    let mut sets = [0_u64; 6];
    let mut words = Vec::with_capacity(6);
    for (index, part) in parts.iter().enumerate() {
        let (set, word) = read_field(index, part)?;
        sets[index] = set;
        words.push(word);
    }
    let hour = parts[2];
    Ok(Fields {
        text: words.join(" "),
        clock: [sets[0], sets[1], sets[2]],
        hour_is_wild: hour.contains(['*', '/']) || sets[2] == (1 << 24) - 1,
        day_is_wild: [DAY_OF_MONTH, DAY_OF_WEEK].iter().any(|&i| parts[i].starts_with(['*', '?'])),
    })
}

fn nickname(text: &str) -> Result<&'static str, PatternError> {
    Ok(match text {
        "@YEARLY" | "@ANNUALLY" => "0 0 1 1 *",
        "@MONTHLY" => "0 0 1 * *",
        "@WEEKLY" => "0 0 * * SUN",
        "@DAILY" | "@MIDNIGHT" => "0 0 * * *",
        "@HOURLY" => "0 * * * *",
        other => return Err(PatternError::Nickname { found: other.to_ascii_lowercase() }),
    })
}

/// A field as a set of bits (empty where it needs a calendar) and in croner's words.
fn read_field(index: usize, text: &str) -> Result<(u64, String), PatternError> {
    let field = &FIELDS[index];
    let mut set = 0;
    let mut words = Vec::new();
    for item in text.split(',') {
        if is_special(index, item) {
            words.push(special(field, item)?);
            continue;
        }
        let (from, to, step, word) = read_item(index, field, item)?;
        words.push(word);
        let mut value = from;
        while value <= to {
            set |= 1_u64 << value;
            value = value.saturating_add(step);
        }
    }
    Ok((set, words.join(",")))
}

/// `*`, `a`, `a-b`, and the first and last with a step: bounds, step, and croner's words.
fn read_item(
    index: usize,
    field: &Field,
    item: &str,
) -> Result<(u8, u8, u8, String), PatternError> {
    let (range, step) = match item.split_once('/') {
        Some((range, step)) => {
            let step = number(step).filter(|s| (1..=field.max).contains(s));
            (range, Some(step.ok_or_else(|| field.fault(item, "a step from 1"))?))
        }
        None => (item, None),
    };
    let suffix = step.map_or(String::new(), |step| format!("/{step}"));
    let star = range == "*" || (range == "?" && matches!(index, DAY_OF_MONTH | DAY_OF_WEEK));
    if star {
        return Ok((field.min, field.max, step.unwrap_or(1), format!("*{suffix}")));
    }
    if let Some((from, to)) = range.split_once('-') {
        let from = field.value(item, from)?;
        let to = match field.value(item, to)? {
            // A range up to Sunday: `SAT-SUN` is 6-7.
            0 if index == DAY_OF_WEEK && from > 0 => 7,
            to => to,
        };
        if from > to {
            return Err(field.fault(item, "a range from the smaller to the larger value"));
        }
        return Ok((from, to, step.unwrap_or(1), format!("{from}-{to}{suffix}")));
    }
    let value = field.value(item, range)?;
    if step.is_some() {
        let hint = "a step after `*` or a range";
        return Err(field.fault(item, hint));
    }
    Ok((value, value, 1, value.to_string()))
}

/// Whether an item of a day field needs a calendar: `L`, `LW`, `15W`, `FRI#2`, `FRIL`.
fn is_special(index: usize, item: &str) -> bool {
    match index {
        DAY_OF_MONTH => item == "L" || item.ends_with('W'),
        DAY_OF_WEEK => item.contains('#') || item.ends_with('L'),
        _ => false,
    }
}

fn special(field: &Field, item: &str) -> Result<String, PatternError> {
    if matches!(item, "L" | "LW") && field.max == 31 {
        return Ok(item.to_owned());
    }
    if let Some(day) = item.strip_suffix('W') {
        return Ok(format!("{}W", field.value(item, day)?));
    }
    if let Some((day, nth)) = item.split_once('#') {
        let nth = number(nth).filter(|n| (1..=5).contains(n));
        let nth = nth.ok_or_else(|| field.fault(item, "`#1` to `#5`"))?;
        return Ok(format!("{}#{nth}", field.value(item, day)? % 7));
    }
    let day = item.strip_suffix('L').unwrap_or(item);
    Ok(format!("{}#L", field.value(item, day)? % 7))
}

impl Field {
    fn value(&self, item: &str, text: &str) -> Result<u8, PatternError> {
        if let Some(place) = self.words.iter().position(|word| *word == text) {
            return Ok(self.first + u8::try_from(place).unwrap_or(0));
        }
        number(text)
            .filter(|value| (self.min..=self.max).contains(value))
            .ok_or_else(|| self.fault(item, ""))
    }

    fn fault(&self, item: &str, expected: &str) -> PatternError {
        let expected = match (expected, self.words) {
            ("", []) => format!("a number from {} to {}, a range or `*`", self.min, self.max),
            ("", words) => format!(
                "a number from {} to {}, a name ({} … {}), a range or `*`",
                self.min,
                self.max,
                words[0],
                words[words.len() - 1]
            ),
            (expected, _) => expected.to_owned(),
        };
        PatternError::Field { field: self.name, found: item.to_owned(), expected }
    }
}

/// A short number without a sign.
fn number(text: &str) -> Option<u8> {
    let digits = !text.is_empty() && text.len() <= 3 && text.bytes().all(|b| b.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}
