//! The look ahead: before an order takes the boss's part from a node, the leader is asked what would
//! come of it. What would be refused is not ordered; with `--dry-run` nothing is.

use std::io::{self, Write};
use std::path::Path;

use control::client::ClientError;
use control::interface::{Refusal, RefusalKind};
use control::preview::{Preview, PreviewOrder};
use serde_json::Value;

use super::connect;
use super::status::understood;
use crate::args::How;
use crate::exit::{Exit, Failure, answer};
use crate::render;

/// What comes after the look ahead.
pub(super) enum Ahead {
    /// The order would be accepted, and is to be given.
    Order(Preview),
    /// It was only to be looked at, which is done.
    Shown(Exit),
}

/// Asks what would come of an order. A refusal ends it here, with what speaks against each candidate.
pub(super) fn look_ahead(socket: &Path, order: &PreviewOrder, how: &How) -> Result<Ahead, Failure> {
    let document = connect(socket)?.preview(order)?;
    let preview: Preview = understood(document.clone())?;
    if how.dry_run {
        return shown(&preview, &document, how.json).map(Ahead::Shown);
    }
    match refusal(&preview) {
        None => Ok(Ahead::Order(preview)),
        Some(refusal) => {
            let mut told = io::stderr().lock();
            // Whoever does not listen is told by the exit status.
            drop(told.write_all(render::candidates(&preview).as_bytes()));
            Err(ClientError::Refused(refusal).into())
        }
    }
}

fn shown(preview: &Preview, document: &Value, json: bool) -> Result<Exit, Failure> {
    let text = if json { format!("{document:#}\n") } else { render::preview(preview) };
    answer(&text)?;
    let refused = refusal(preview).map(|refusal| Failure::from(ClientError::Refused(refusal)));
    Ok(refused.map_or(Exit::Done, |failure| failure.exit()))
}

/// The refusal that the order would earn.
fn refusal(preview: &Preview) -> Option<Refusal> {
    if preview.accepted {
        return None;
    }
    let name = preview.refusal.as_deref().unwrap_or_default();
    let known = RefusalKind::ALL.into_iter().find(|kind| kind.name() == name);
    Some(Refusal::new(known.unwrap_or(RefusalKind::Refused), preview.text.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preview_that_says_no_is_the_refusal_of_the_order() {
        let golden = include_str!("../../../control/tests/preview.json");
        let mut preview: Preview = serde_json::from_str(golden).expect("golden");
        let told = refusal(&preview).expect("refused");
        assert_eq!(told.kind, RefusalKind::Refused);
        assert_eq!(told.text, "gamma cannot take over: it is a witness");
        preview.refusal = Some("NoQuorum".to_owned());
        assert_eq!(refusal(&preview).expect("refused").kind, RefusalKind::NoQuorum);
        preview.refusal = Some("OfALaterVersion".to_owned());
        assert_eq!(refusal(&preview).expect("refused").kind, RefusalKind::Refused);
        preview.accepted = true;
        assert_eq!(refusal(&preview), None);
    }
}
