//! No personal data in logs: what our values show of themselves.

use super::*;
use crate::cpim;
use crate::pf::reply;
use crate::queue::decide::Env;
use crate::queue::effect::{Effect, Reply};
use crate::queue::question::{Judge, Ruling};
use crate::queue::run::run;
use crate::queue::{Queue, standard};
use crate::types::IdSource;

/// Numbers, hosts and words of WX-1 and WX-3 that nobody may read in a log.
const PRIVATE: [&str; 6] = ["+1202", "5550", "198.51.100", "train", "bob@", "zanzibar"];

/// A Contact with words of its owner's.
const NAMED: &str =
    "<sip:bob@198.51.100.7:5060;transport=tcp>;description=\"<of the train>\";+example.owner=\"bob@home\"";

#[track_caller]
fn shows_nothing(shown: &str) {
    for private in PRIVATE {
        assert!(!shown.contains(private), "{private} in {shown}");
    }
}

#[test]
fn requests_and_commands_show_no_personal_data() {
    let desk = Desk::new();
    let subject = with(&request(WX_1), "Subject", "the train");
    for received in [
        desk.scscf(&subject),
        desk.scscf(&request(WX_3)),
        desk.user(&own_register(), BOB),
        desk.scscf(&with(&own_register(), "Contact", NAMED)),
        desk.phone(&own_register()),
        desk.scscf(&with(&own_register(), "Contact", "<sip:bob@198.51.100.7>;expires=0")),
    ] {
        shows_nothing(&format!("{received:?}"));
    }
    let verb = verb(desk.scscf(&subject));
    shows_nothing(&format!("{verb:?} {:?} {:?} {:?}", verb.command, verb.context, verb.realm));
    shows_nothing(&format!("{:?} {:?}", desk.settings, desk.gate));
    shows_nothing(&format!("{:?}", cpim::read(&request(WX_1).body).unwrap()));
}

#[test]
fn queue_events_effects_and_questions_show_no_personal_data() {
    let desk = Desk::new();
    let subject = with(&request(WX_1), "Subject", "the train");
    let ids = IdSource::new([3; 16], SECRET);
    let mut queue: Option<Queue> = None;
    let named = with(&own_register(), "Contact", NAMED);
    for received in [desk.scscf(&subject), desk.scscf(&named), desk.scscf(&request(WX_3))] {
        let verb = verb(received);
        let queue = queue.get_or_insert_with(|| Queue::new(verb.user.clone()));
        let profile = crate::formats::Profile::default();
        let env = Env { now: NOW, ids: &ids, rules: &verb.realm.rules, profile: &profile };
        let done = run(queue, &verb.command, &env, |question| {
            shows_nothing(&format!("{question:?}"));
            Ruling { verdict: standard::answer(question), judge: Judge::Native }
        });
        assert!(!done.decision.events.is_empty() && !done.decision.effects.is_empty());
        shows_nothing(&format!("{done:?} {queue:?}"));
        let replies: Vec<&Reply> = done.decision.effects.iter().filter_map(reply_of).collect();
        assert_eq!(replies.len(), 1);
        let answer = reply(&desk.settings, &verb.context, replies[0], NOW);
        assert!(answer.status < 300, "{}", answer.status);
    }
}

fn reply_of(effect: &Effect) -> Option<&Reply> {
    match effect {
        Effect::Reply(reply) => Some(reply),
        Effect::Send(_) | Effect::Perform(_) => None,
    }
}
