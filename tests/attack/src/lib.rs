//! Attacks on a cluster of real processes by a QUIC client that shares no code with bossd: aioquic,
//! in `client/`. All of it is in `tests/`; what came out is told in RESULTS.md.
#![forbid(unsafe_code)]
