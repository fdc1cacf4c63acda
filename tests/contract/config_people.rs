//! `[review]` and `[recipient.NAME]` of `rota.toml`: who is told, and when.

use rota::config::{Config, schema};
use rota::domain::Channel;
use rota::fault::render_all;
use std::path::Path;
use std::time::Duration;

const GOOD: &str = r#"
timezone = "Europe/Berlin"
[notify.file.leads]
path = "leads.md"
[notify.file.ada]
path = "ada.md"
[review]
decide_within = "1d"
escalate = ["file:leads", "stdout"]
expire_after = "30d"
[recipient.ada]
channels = ["file:ada"]
timezone = "America/New_York"
hours = { days = "MON-FRI", from = "08:00", to = "18:00", holidays = ["2026-12-25"] }
merge = "15m"
per_day = 20
alarms = "hours"
[recipient.everybody]
channels = "stdout"
"#;

fn parse(text: &str) -> Result<Config, String> {
    let parsed = Config::parse(text, Path::new("rota.toml"), &|_| None);
    parsed.map_err(|faults| render_all(&faults, false))
}

fn is_valid(text: &str) -> bool {
    let table = toml::from_str::<toml::Table>(text).unwrap();
    let validator = jsonschema::validator_for(&schema()).unwrap();
    validator.is_valid(&serde_json::to_value(table).unwrap())
}

#[test]
fn who_is_told_when_nobody_decides_and_when_people_want_to_be_told_is_read() {
    let config = parse(GOOD).unwrap();
    let review = &config.review;
    assert_eq!(review.decide_within, Some(Duration::from_hours(24)));
    assert_eq!(review.escalate, [Channel::File("leads".into()), Channel::Stdout]);
    assert_eq!(review.expire_after, Some(Duration::from_hours(720)));
    let [ada, everybody] = config.recipients.as_slice() else { panic!("{:?}", config.recipients) };
    assert_eq!((ada.name.as_str(), ada.zone), ("ada", chrono_tz::America::New_York));
    let hours = ada.hours.as_ref().unwrap();
    assert_eq!((hours.days.len(), hours.holidays.len()), (5, 1));
    assert_eq!((ada.merge, ada.per_day), (Duration::from_mins(15), Some(20)));
    assert!(!ada.alarms_always && everybody.alarms_always);
    assert_eq!(everybody.zone, chrono_tz::Europe::Berlin, "the team's");
    assert!(everybody.hours.is_none());
    assert!(is_valid(GOOD));
}

#[test]
fn what_is_wrong_with_them_is_said() {
    for (text, said) in [
        (
            "[review]\nescalate = [\"slack:leads\"]\ndecide_within = \"1d\"",
            "slack:leads is not configured; known are stdout",
        ),
        ("[review]\nescalate = [\"stdout\"]", "`decide_within` is missing"),
        ("[review]\ndecide_within = \"5s\"", "decide_within"),
        ("[recipient.ada]\nper_day = 3", "`channels` is missing"),
        (
            "[recipient.ada]\nchannels = \"stdout\"\n[recipient.bo]\nchannels = \"stdout\"",
            "another recipient's already",
        ),
        ("[recipient.ada]\nchannels = \"stdout\"\ntimezone = \"Berlin\"", "expected an IANA zone"),
        (
            "[recipient.ada]\nchannels = \"stdout\"\nhours = { from = \"08:00\" }",
            "`to` is missing in `hours`",
        ),
        (
            "[recipient.ada]\nchannels = \"stdout\"\nhours = { from = \"08:00\", to = \"18:00\", holidays = [\"Christmas\"] }",
            "expected a date such as 2026-12-25",
        ),
        ("[recipient.ada]\nchannels = \"stdout\"\nquiet = \"yes\"", "quiet"),
        ("[recipient.ada]\nchannels = \"stdout\"\nper_day = 0", "per_day"),
    ] {
        let told = parse(text).unwrap_err();
        assert!(told.contains(said), "{text}\n{told}");
    }
}
