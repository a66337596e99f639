//! A cluster of three real nodes, attacked by an independent client. Each test is one kind of
//! attack: nothing gets in, nobody is elected because of it, memory stays where it was, and
//! afterwards the cluster still fails over.

mod certificates;
mod client;
mod floods;
mod intruders;
mod members;
mod restart;
mod siege;
