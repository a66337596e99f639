//! `[fence]`: the command that makes sure that a lost peer is off.

use std::path::Path;

use election::Span;

use super::FenceConfig;
use super::check::parse_span_within;
use super::error::shown;
use super::file::Table;
use super::problems::Problems;
use super::server::parse_path;
use super::values::Wrong;

/// The section. None where there is no command, and where it is wrong.
pub(super) fn check_fence(
    table: &Table<'_>,
    directory: &Path,
    problems: &mut Problems<'_>,
) -> Option<FenceConfig> {
    let given = table.strings("run", problems);
    let timeout =
        table.time("timeout", |text| parse_span_within(text, SHORTEST, LONGEST), problems);
    let words = given.map(|given| given.value).unwrap_or_default();
    let Some((program, arguments)) = words.split_first() else {
        // The default beside an empty list says nothing that is wrong.
        if let Some(timeout) = timeout.filter(|timeout| timeout.value != DEFAULT) {
            let help = "write run = [\"/usr/local/sbin/fence\"], or remove it";
            let wrong = Wrong::new("`timeout` has no effect without a command in `run`", help);
            problems.add(&timeout.at, wrong);
        }
        return None;
    };
    let path = if program.value.contains('/') {
        parse_path(program.value, directory)
    } else {
        let message = format!("{} is not a path", shown(program.value));
        Err(Wrong::new(message, "write the full path of the program"))
    };
    let path = problems.sort_out(path, program.at.clone())?.value;
    let program = path.to_string_lossy().into_owned();
    let arguments = arguments.iter().map(|argument| argument.value.to_owned());
    let argv = std::iter::once(program).chain(arguments).collect();
    Some(FenceConfig { argv, timeout: timeout.map_or(DEFAULT, |given| given.value) })
}

/// A management board of a server takes some seconds.
const DEFAULT: Span = Span::from_secs(20);
/// Less than it takes to start a process and to ask anybody.
const SHORTEST: Span = Span::from_millis(100);
/// Beyond it the command hangs.
const LONGEST: Span = Span::from_secs(600);
