//! Every way by which the daemon reaches out to others: which addresses it may dial, and HTTP.
//!
//! A name is looked up once and its addresses are judged; whoever dials is given these and looks up
//! nothing more, so that a name that leads elsewhere the next time changes nothing.

mod address;
mod client;
mod terminal;

pub use client::{Answer, EgressError, HttpClient, HttpsUrl, UrlError};
