//! What is said over the control socket, and how: [`varlink`] frames the messages, [`interface`]
//! names the methods and errors of `io.boss.Cluster`, [`model`] is the document that `status`
//! answers with, [`explanation`], [`history`], [`hooks`] and [`reload`] are those of the verbs of that
//! name, [`preview`] is what an order would do, [`comparison`] what `apply` would change, [`report`] that of
//! `config check`, and [`client`] asks. bossd serves it, bossctl asks; neither decides anything here.
#![forbid(unsafe_code)]

pub mod client;
pub mod comparison;
pub mod explanation;
pub mod history;
pub mod hooks;
pub mod identity;
pub mod interface;
pub mod model;
pub mod preview;
pub mod reload;
pub mod report;
pub mod varlink;
