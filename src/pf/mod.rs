//! CPM procedures: SIP requests become commands, effects become SIP requests; one file per procedure.
//!
//! Everything here is a function of its arguments: the shell (`actor`, `app`) brings bytes, time and ids, and performs
//! what comes out.

mod body;
mod challenge;
mod defer;
mod forward;
mod interwork;
mod large;
pub mod manage;
mod notify;
mod object;
mod receive;
pub mod reg_event;
mod register;
mod reply;
mod report;
mod send;
mod settings;
mod tags;
mod trust;

#[cfg(test)]
mod tests;

pub use challenge::Gate;
pub use interwork::interwork;
pub use large::{
    AnswerFault, Invitation, LargeOutgoing, LargePush, interwork_large, large_answered, large_invite, large_outgoing,
};
pub use manage::{Management, accepted, no_messages};
pub use notify::{LISTED_MAX, SystemMessage, sender, system_message};
pub use object::{Object, large_object, object};
pub use receive::{Receipt, Received, Verb, receive};
pub use reply::{ReplyContext, reply};
pub use report::{ReportWay, Reporting, report};
pub use send::{Push, push};
pub use settings::{LargeSettings, RealmSettings, Settings};
pub use tags::{CPM_DEFERRED, CPM_LARGEMSG, CPM_MSG, CPM_SYSTEM};
