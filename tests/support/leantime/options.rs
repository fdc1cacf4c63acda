//! What kind of Leantime the fake plays.

use chrono_tz::Tz;

/// The releases that differ for a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    V3_5_12,
    V3_8_0,
    V3_9_0,
    V3_9_8,
}

impl Version {
    pub const ALL: [Self; 4] = [Self::V3_5_12, Self::V3_8_0, Self::V3_9_0, Self::V3_9_8];

    pub fn name(self) -> &'static str {
        match self {
            Self::V3_5_12 => "3.5.12",
            Self::V3_8_0 => "3.8.0",
            Self::V3_9_0 => "3.9.0",
            Self::V3_9_8 => "3.9.8",
        }
    }

    /// Requests of one user in a minute.
    pub fn rate_per_minute(self) -> u32 {
        if self >= Self::V3_9_8 { 120 } else { 10 }
    }

    /// Whether `patchTicket` and `api.config.getSystemInfo` are there, and `patch` no longer is; roles
    /// are looked at since then, too.
    pub fn is_gated(self) -> bool {
        self >= Self::V3_9_0
    }

    /// Whether a scalar comes as the one element of an array.
    pub fn wraps_scalars(self) -> bool {
        self < Self::V3_8_0
    }

    pub fn has_bearer(self) -> bool {
        self >= Self::V3_9_8
    }
}

/// What a test chooses.
#[derive(Clone, Debug)]
pub struct Options {
    pub version: Version,
    /// The server's zone: dates without one are read in it.
    pub zone: Tz,
    /// Whether what a careful client never does is written down as a violation.
    pub strict: bool,
    /// Instead of the version's.
    pub rate_per_minute: Option<u32>,
    /// Whether numbers of rows come as strings, as on some databases.
    pub numbers_as_strings: bool,
    /// Whether the timers' table was made before 3.7: then a timer excludes only its own user.
    pub old_timers: bool,
    /// How its own MCP server answers, which a plugin brings: 404 without it.
    pub mcp_status: u16,
    /// Seconds by which the clock in its answers' headers is before this machine's; `None`: it is the
    /// one of everything else.
    pub ahead_seconds: Option<i64>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            version: Version::V3_9_8,
            zone: chrono_tz::America::Los_Angeles,
            strict: true,
            rate_per_minute: None,
            numbers_as_strings: false,
            old_timers: false,
            mcp_status: 404,
            ahead_seconds: None,
        }
    }
}

impl Options {
    pub fn rate(&self) -> u32 {
        self.rate_per_minute.unwrap_or_else(|| self.version.rate_per_minute())
    }
}
