//! Commands about who is signed in to the dashboard.

use crate::app::house::Need;
use crate::cli::call::{Args as CallArgs, Call, View, number_or_name};
use crate::cli::page::{Page, Style};
use crate::domain::Value;
use clap::Subcommand;

/// `rota sessions …`.
#[derive(Debug, Subcommand)]
pub enum SessionsCommand {
    /// Where you are signed in to the dashboard, by which token or by a link, and since when
    #[command(after_help = "Example:\n  rota sessions list")]
    List,
    /// Sign out of the dashboard, wherever you are signed in
    #[command(
        after_help = "Examples:\n  rota sessions end\n  rota sessions end 8d3kq1v7xw2mz\n  rota sessions end --person Bob"
    )]
    End {
        /// Only this session, by its id in `rota sessions list` [default: all]
        session: Option<String>,
        /// Whose sessions; somebody else's are for administrators [default: yours]
        #[arg(long, value_name = "PERSON")]
        person: Option<String>,
    },
}

impl SessionsCommand {
    /// The call it makes.
    pub fn call(&self) -> Call {
        match self {
            Self::List => Call::look("listSessions", CallArgs::new(), SESSIONS),
            Self::End { session, person } => {
                let args = CallArgs::new()
                    .with("session", session.as_deref())
                    .with("person", person.as_deref().map(number_or_name));
                let call = Call::act("endSessions", args);
                Call { need: Need::Act, view: View::Detail(ended), ..call }
            }
        }
    }
}

const SESSIONS: View = View::Table {
    columns: &[
        ("ID", "id"),
        ("WHOSE", "person_name"),
        ("BY TOKEN", "token_name"),
        ("SINCE", "begun"),
        ("LAST USED", "last_used"),
    ],
    empty: "nobody is signed in to the dashboard",
};

fn ended(value: &Value) -> Option<Page> {
    let count = value.get("ended")?.as_int()?;
    let mut page = Page::new();
    let said = match count {
        1 => "1 session ended".to_owned(),
        count => format!("{count} sessions ended"),
    };
    page.line(Style::Plain, &said);
    Some(page)
}
