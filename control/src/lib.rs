//! What is said over the control socket, and how: [`varlink`] frames the messages, [`interface`]
//! names the methods and errors of `io.boss.Cluster`, [`model`] is the document that `status`
//! answers with, and [`client`] asks. bossd serves it, bossctl asks; neither decides anything here.
#![forbid(unsafe_code)]

pub mod client;
pub mod identity;
pub mod interface;
pub mod model;
pub mod varlink;
