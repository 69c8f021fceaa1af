//! Registrations: edges and refreshes, order, limits, the end of each, and what an S-CSCF does not tell.

use super::story::*;
use crate::queue::command::Binding;
use crate::queue::event::{Event, Gone, Source};

fn remove(name: &str) -> Binding {
    Binding::Remove(phone(name))
}

#[test]
fn a_registration_is_answered_with_all_bindings_in_force() {
    given([registered(client("phone"))]).at(10).when(register(client("tablet").until(110))).then(
        [registered(client("tablet").since(10).until(110))],
        [bound([(&client("phone"), 3590), (&client("tablet"), 100)])],
    );
}

#[test]
fn a_refresh_keeps_the_moment_of_registration() {
    let refresh = client("phone").series("reg-phone", 2).until(4000);
    let story = given([registered(client("phone"))]).at(10).when(register(refresh.clone().since(10)));
    story.then([refreshed(refresh.clone())], [bound([(&refresh, 3990)])]);
}

#[test]
fn the_latest_registration_is_the_first_and_a_refresh_does_not_change_that() {
    let refresh = client("phone").series("reg-phone", 2);
    let story = given([registered(client("phone")), registered(client("tablet"))]).when(register(refresh));
    let order: Vec<_> = story.queue.clients().map(|registered| registered.client.id.clone()).collect();
    assert_eq!(order, [phone("tablet"), phone("phone")]);
}

#[test]
fn a_registration_lapses_by_our_own_timer() {
    given([registered(client("phone").until(60))])
        .then_next_tick(60)
        .at(59)
        .when(tick())
        .then_nothing()
        .at(60)
        .when(tick())
        .then([gone("phone", Gone::Expired)], [])
        .when(defer("hello"))
        .then([deferred("hello"), to_push("hello")], [accepted()]);
}

#[test]
fn a_client_that_comes_back_after_its_registration_lapsed_has_just_registered() {
    let back = client("phone").series("reg-phone", 2).until(7200);
    given([registered(client("phone").until(60)), deferred("hello"), to_push("hello")])
        .at(61)
        .when(register(back.clone()))
        .then(
            [registered(back.clone().since(61)), started("hello", "phone")],
            [bound([(&back, 7139)]), sent("hello", "phone")],
        );
}

#[test]
fn expires_0_ends_a_registration_and_one_that_is_not_there_ends_without_a_word() {
    given([registered(client("phone"))])
        .when(register_all(Source::Client, [remove("phone")]))
        .then([gone("phone", Gone::Explicit)], [bound([])])
        .when(register_all(Source::Client, [remove("phone")]))
        .then([], [bound([])]);
    given([registered(client("phone").network())])
        .when(register_all(Source::Network, [remove("phone")]))
        .then([gone("phone", Gone::Network)], [bound([])]);
}

#[test]
fn a_star_ends_what_its_source_knows_and_nothing_else() {
    let both = || given([registered(client("phone")), registered(client("tablet").network())]);
    both()
        .when(register_all(Source::Client, [Binding::RemoveAll(Gone::Explicit)]))
        .then([gone("phone", Gone::Explicit)], [bound([(&client("tablet"), 3600)])]);
    both()
        .when(register_all(Source::Network, [Binding::RemoveAll(Gone::Network)]))
        .then([gone("tablet", Gone::Network)], [bound([(&client("phone"), 3600)])]);
}

#[test]
fn an_older_register_of_the_same_series_is_refused_and_changes_nothing() {
    let newer = || given([registered(client("phone").series("reg-phone", 5))]);
    newer()
        .when(register_all(Source::Client, [remove("tablet"), Binding::Bind(client("phone").series("reg-phone", 4))]))
        .then([], [refusal(500, "CSeq Out Of Order", None)]);
    for (series, cseq) in [("reg-phone", 5), ("reg-phone", 6), ("another-series", 1)] {
        let next = client("phone").series(series, cseq);
        newer().when(register(next.clone())).then([refreshed(next.clone())], [bound([(&next, 3600)])]);
    }
}

#[test]
fn one_client_too_many_is_refused_and_so_is_all_that_came_with_it() {
    let full = || given([registered(client("phone"))]).rules(|rules| rules.clients_max = 2);
    full()
        .when(register_all(Source::Client, [Binding::Bind(client("tablet")), Binding::Bind(client("watch"))]))
        .then([], [refusal(403, "Too Many Registered Clients", None)]);
    full()
        .when(register_all(
            Source::Client,
            [Binding::Bind(client("tablet")), remove("phone"), Binding::Bind(client("watch"))],
        ))
        .then(
            [registered(client("tablet")), gone("phone", Gone::Explicit), registered(client("watch"))],
            [bound([(&client("tablet"), 3600), (&client("watch"), 3600)])],
        );
    let refresh = client("phone").series("reg-phone", 2);
    full()
        .rules(|rules| rules.clients_max = 1)
        .when(register(refresh.clone()))
        .then([refreshed(refresh.clone())], [bound([(&refresh, 3600)])]);
}

#[test]
fn a_lapsed_registration_makes_room() {
    let anew = client("tablet").since(60);
    given([registered(client("phone").until(60))])
        .rules(|rules| rules.clients_max = 1)
        .at(60)
        .when(register(anew.clone()))
        .then([registered(anew.clone()), gone("phone", Gone::Expired)], [bound([(&anew, 3540)])]);
}

#[test]
fn a_client_named_twice_in_one_register_is_registered_once() {
    let (first, second) = (client("phone").since(7), client("phone").since(7).until(100));
    let story = given([]).at(7).when(register_all(
        Source::Client,
        [Binding::Bind(first.clone().since(1)), Binding::Bind(second.clone().since(2))],
    ));
    story.then([registered(first), refreshed(second.clone())], [bound([(&second, 93)])]);
}

#[test]
fn an_s_cscf_that_names_nobody_registers_one_nameless_client() {
    let nameless = client("scscf").nameless();
    let refresh = client("scscf").nameless().until(7200);
    given([deferred("hello"), to_push("hello")])
        .when(register_all(Source::Network, [Binding::BindNameless(nameless.clone())]))
        .then(
            [registered(nameless.clone()), started("hello", "scscf")],
            [bound([(&nameless, 3600)]), sent("hello", "scscf")],
        )
        .when(register_all(Source::Network, [Binding::BindNameless(refresh.clone())]))
        .then([refreshed(refresh.clone())], [bound([(&refresh, 7200)])]);
}

#[test]
fn the_numbers_of_nameless_registrations_have_no_order() {
    let high = client("scscf").nameless().series("", 70);
    let low = client("scscf").nameless().series("", 3);
    given([registered(high)])
        .when(register_all(Source::Network, [Binding::BindNameless(low.clone())]))
        .then([refreshed(low.clone())], [bound([(&low, 3600)])]);
}

#[test]
fn a_nameless_client_is_superseded_by_a_named_one() {
    let named = client("phone").network();
    given([registered(client("scscf").nameless())])
        .rules(|rules| rules.clients_max = 1)
        .when(register(named.clone()))
        .then([gone("scscf", Gone::Network), registered(named.clone())], [bound([(&named, 3600)])]);
}

#[test]
fn a_named_client_without_an_instance_is_not_taken_for_a_nameless_one() {
    let plain = crate::queue::event::Client { instance: None, ..client("plain").network() };
    let named = client("phone").network();
    given([registered(plain.clone())])
        .when(register(named.clone()))
        .then([registered(named.clone())], [bound([(&plain, 3600), (&named, 3600)])]);
    given([registered(client("scscf").nameless())])
        .when(register(plain.clone()))
        .then([gone("scscf", Gone::Network), registered(plain.clone())], [bound([(&plain, 3600)])]);
}

#[test]
fn a_nameless_refresh_lets_the_named_clients_live_on_and_is_no_edge() {
    let (named, longer) = (client("phone").network(), client("phone").network().until(7200));
    given([registered(named)])
        .when(register_all(Source::Network, [Binding::BindNameless(client("scscf").nameless().until(7200))]))
        .then([refreshed(longer.clone())], [bound([(&longer, 7200)])])
        .when(register_all(Source::Network, [Binding::BindNameless(client("scscf").nameless().until(100))]))
        .then([refreshed(longer.clone())], [bound([(&longer, 7200)])]);
}

#[test]
fn a_client_of_its_own_is_not_superseded_by_the_network() {
    let named = client("tablet").network();
    let story = given([registered(client("phone"))]).when(register(named));
    assert_eq!(story.queue.clients().count(), 2);
    assert!(matches!(story.run.decision.events.as_slice(), [Event::ClientRegistered(_)]));
}

#[test]
fn the_whole_state_keeps_whom_it_names_and_ends_the_others_of_its_source() {
    let keep = vec![phone("tablet")];
    let story = given([
        registered(client("phone")),
        registered(client("tablet").network()),
        registered(client("watch").network()),
    ]);
    let refresh = client("tablet").network().until(7200);
    let others = Binding::RemoveOthers { keep, cause: Gone::Network };
    story.when(register_all(Source::Network, [others, Binding::Bind(refresh.clone())])).then(
        [gone("watch", Gone::Network), refreshed(refresh.clone())],
        [bound([(&client("phone"), 3600), (&refresh, 7200)])],
    );
}

#[test]
fn the_network_tells_why_a_client_has_gone() {
    for cause in [Gone::Expired, Gone::Explicit, Gone::Network] {
        let end = || Binding::End { client: phone("tablet"), cause };
        given([registered(client("tablet").network())])
            .when(register_all(Source::Network, [end()]))
            .then([gone("tablet", cause)], [bound([])])
            .when(register_all(Source::Network, [end()]))
            .then([], [bound([])]);
    }
}
