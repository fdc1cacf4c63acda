//! demo
use crate::app::failure::Failure;
use crate::app::house::DemoOptions;
use crate::daemon::control::{Answered, Progress};
use tokio::sync::mpsc;
pub(super) async fn play(_o: DemoOptions, _t: mpsc::Sender<Progress>) -> Result<Answered, Failure> {
    Err(Failure::internal("x"))
}
