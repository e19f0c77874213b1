//! The progress bar, on a terminal only.

use std::{io::IsTerminal, time::Duration};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar over `total` units, or a running count if the total is not known.
pub(super) fn bar(total: Option<u64>, unit: Unit) -> ProgressBar {
    let target =
        if std::io::stderr().is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(total, target);
    let template = match (total.is_some(), unit) {
        (true, Unit::Bytes) => "{bar:40} {percent:>3} %  {bytes}/{total_bytes}  {msg}  {eta} left",
        (false, Unit::Bytes) => "{spinner} {bytes}  {msg}  {elapsed}",
        (true, Unit::Count) => "{bar:40} {percent:>3} %  {human_pos}/{human_len} {msg}  {per_sec}  {eta} left",
        (false, Unit::Count) => "{spinner} {human_pos} {msg}  {per_sec}  {elapsed}",
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// What a bar counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// Bytes of a file.
    Bytes,
    /// Items, named by the bar's message.
    Count,
}
