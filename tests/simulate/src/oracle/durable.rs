//! 9.16: nothing is sent before what it depends on is durable.

use election::{Envelope, Message};

use super::Verdict;
use crate::host::Host;

pub(super) fn sends(envelope: &Envelope, host: &Host) -> Verdict {
    let disk = &host.disk;
    let name = &host.name;
    if envelope.term > disk.term {
        let kind = envelope.message.name();
        return Err(format!("9.16: {name} sends {kind} of term {} too early", envelope.term));
    }
    match &envelope.message {
        Message::VoteReply { vote, refusal: None } if disk.term < *vote => {
            Err(format!("9.16: {name} says that it voted in term {vote} too early"))
        }
        Message::PublishReply { version } if disk.state.version < *version => {
            Err(format!("9.16: {name} says that it has version {version} too early"))
        }
        Message::Publish { state } if disk.state.version < state.version => {
            Err(format!("9.16: {name} publishes version {} too early", state.version))
        }
        _ => Ok(()),
    }
}
