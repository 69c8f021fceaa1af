use super::*;
use proptest::prelude::*;

const WX_16: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<cr:ruleset xmlns:cr="urn:ietf:params:xml:ns:common-policy"
            xmlns:x="urn:oma:xml:xdm:extensions"
            xmlns:x21="urn:oma:xml:xdm:2.1extensions">
 <cr:rule id="deferred-push">
  <cr:conditions>
   <x:service-list><x:service enabler="CPM"/></x:service-list>
   <x:media-list><x21:deferred-messages/></x:media-list>
  </cr:conditions>
  <cr:actions><x21:allow-push/></cr:actions>
 </cr:rule>
</cr:ruleset>
"#;

const ALICE: &str = "sip:+12025550100@ims.example.net";
const NOW: Timestamp = Timestamp::from_secs(1_267_521_247);
const OURS: &str = "<service-list><service enabler='cpm'/></service-list><media-list><deferred-messages/></media-list>";
const PUSH: &str = "<allow-push/>";

fn ruleset(rules: &str) -> Ruleset {
    Ruleset::read(format!("<ruleset>{rules}</ruleset>").as_bytes(), &Limits::default()).unwrap()
}

fn rule(conditions: &str, actions: &str) -> String {
    format!("<rule id='a'><conditions>{conditions}</conditions><actions>{actions}</actions></rule>")
}

fn push(rules: &str) -> Option<bool> {
    ruleset(rules).evaluate(Some(ALICE), NOW).allow_push
}

/// Whether a rule of ours with these further conditions holds.
fn holds(conditions: &str, sender: Option<&str>) -> bool {
    ruleset(&rule(&format!("{OURS}{conditions}"), PUSH)).evaluate(sender, NOW).allow_push.is_some()
}

#[test]
fn def_6a_wx_16_allows_push() {
    let rules = Ruleset::read(WX_16.as_bytes(), &Limits::default()).unwrap();
    assert_eq!((rules.len(), rules.is_empty()), (1, false));
    assert_eq!(rules.evaluate(Some(ALICE), NOW).allow_push, Some(true));
    assert_eq!(rules.evaluate(None, NOW).allow_push, Some(true), "an anonymous sender, as the rule names none");
}

#[test]
fn def_6b_a_rule_without_allow_push_is_for_manage() {
    assert_eq!(push(&rule(OURS, "")), Some(false));
    assert_eq!(push(&rule(OURS, "<allow-push>false</allow-push>")), Some(false));
}

#[test]
fn i_36_without_a_rule_nothing_is_said() {
    assert_eq!(push(""), None);
    assert_eq!(push(&rule("", PUSH)), None, "neither service nor medium");
    assert_eq!(push(&rule("<service-list><service enabler='CPM'/></service-list>", PUSH)), None, "no medium");
    assert_eq!(push(&rule("<media-list><deferred-messages/></media-list>", PUSH)), None, "no service");
    let other = OURS.replace("cpm", "PoC");
    assert_eq!(push(&rule(&other, PUSH)), None);
    assert_eq!(push(&rule(&OURS.replace("deferred-messages", "file-transfer"), PUSH)), None);
}

#[test]
fn i_08_action_is_as_good_as_actions_in_any_namespace() {
    let text =
        format!("<r:rule xmlns:r='urn:new'><r:conditions>{OURS}</r:conditions><r:action>{PUSH}</r:action></r:rule>");
    assert_eq!(push(&text), Some(true));
}

#[test]
fn permissions_of_all_rules_that_hold_add_up() {
    let (yes, no) = (rule(OURS, PUSH), rule(OURS, ""));
    assert_eq!(push(&format!("{yes}{no}")), Some(true));
    assert_eq!(push(&format!("{no}{yes}")), Some(true));
    let never = rule(&format!("{OURS}<sphere value='work'/>"), PUSH);
    assert_eq!(push(&format!("{no}{never}")), Some(false), "a rule that does not hold gives nothing");
}

#[test]
fn all_services_and_all_media_cover_ours_unless_excepted() {
    let lists = |services: &str, media: &str| {
        let services = format!("<service-list><all-services-except>{services}</all-services-except></service-list>");
        push(&rule(&format!("{services}<media-list><all-media-except>{media}</all-media-except></media-list>"), PUSH))
    };
    assert_eq!(lists("", ""), Some(true));
    assert_eq!(lists("<service enabler='PoC'/>", "<file-transfer/>"), Some(true));
    assert_eq!(lists("<service enabler='CPM'/>", ""), None);
    assert_eq!(lists("", "<deferred-messages/>"), None);
}

#[test]
fn identity_is_one_many_or_except() {
    let identity = |inside: &str, sender| holds(&format!("<identity>{inside}</identity>"), sender);
    let one = "<one id='sip:x@h'/><one id='sip:+1-202-555-0100@IMS.example.net;user=phone'/>";
    assert!(identity(one, Some(ALICE)));
    assert!(!identity(one, Some("sip:+12025550101@ims.example.net")));
    assert!(identity("<many/>", Some(ALICE)) && !identity("<many/>", None), "the many are authenticated");
    assert!(identity("<many domain='ims.EXAMPLE.net'/>", Some(ALICE)));
    assert!(!identity("<many domain='example.net'/>", Some(ALICE)));
    assert!(!identity("<many domain='ims.example.net'/>", Some("tel:+12025550100")), "a number has no domain");
    assert!(!identity(&format!("<many><except id='{ALICE}'/></many>"), Some(ALICE)));
    assert!(!identity("<many><except domain='ims.example.net'/></many>", Some(ALICE)));
    assert!(identity("<many><except domain='example.org'/><except id='sip:x@h'/></many>", Some(ALICE)));
    assert!(!identity("", Some(ALICE)) && !identity("<some/>", Some(ALICE)), "nobody is named");
}

#[test]
fn anonymous_senders_are_only_in_their_own_condition() {
    let anonymous = Some("sip:anonymous@anonymous.invalid");
    assert!(holds("<anonymous-request/>", None) && holds("<anonymous-request/>", anonymous));
    assert!(!holds("<anonymous-request/>", Some(ALICE)));
    assert!(!holds("<identity><many/></identity>", anonymous));
    assert!(!holds("<other-identity/>", None));
}

#[test]
fn other_identity_is_who_is_named_in_no_other_rule() {
    let other = rule(&format!("{OURS}<other-identity/>"), PUSH);
    assert_eq!(push(&other), Some(true));
    let named = |id: &str| rule(&format!("{OURS}<identity><one id='{id}'/></identity>"), "");
    assert_eq!(push(&format!("{other}{}", named("sip:x@h"))), Some(true));
    assert_eq!(push(&format!("{other}{}", named(ALICE))), Some(false));
}

#[test]
fn validity_is_from_the_first_moment_until_before_the_second() {
    let span = |from: &str, until: &str| {
        holds(&format!("<validity><from>{from}</from><until>{until}</until></validity>"), Some(ALICE))
    };
    assert!(span("2010-03-02T09:14:07Z", "2010-03-02T09:14:08Z"));
    assert!(span("2010-03-02T10:14:07+01:00", "2010-03-03T00:00:00+01:00"));
    assert!(!span("2010-03-02T09:14:08Z", "2010-03-03T00:00:00Z"), "not yet");
    assert!(!span("2010-03-01T00:00:00Z", "2010-03-02T09:14:07Z"), "no more");
    assert!(!span("soon", "2011-03-02T09:14:07Z") && !span("2010-03-02T09:14:07Z", "never"));
    let two = "<validity><from>2009-01-01T00:00:00Z</from><until>2009-02-01T00:00:00Z</until>\
        <from>2010-01-01T00:00:00Z</from><until>2011-01-01T00:00:00Z</until></validity>";
    assert!(holds(two, Some(ALICE)) && !holds("<validity/>", Some(ALICE)));
}

#[test]
fn an_unknown_condition_and_a_sphere_never_hold() {
    for condition in ["<sphere value='home'/>", "<weather/>", "<external-list/>", "<presence-status/>"] {
        assert!(!holds(condition, Some(ALICE)), "{condition}");
    }
}

#[test]
fn exp_1_and_sndp_6_the_kinder_word_of_all_rules_that_hold_counts() {
    let says = |words: &str| rule("", words);
    let evaluate = |rules: &str| ruleset(rules).evaluate(Some(ALICE), NOW);
    let both = format!("{}{}", says("<expired>Store</expired>"), says("<expired>discard</expired>"));
    assert_eq!(evaluate(&both).expired, Some(Expired::Store));
    assert_eq!(evaluate(&says("<expired>discard</expired>")).expired, Some(Expired::Discard));
    assert_eq!(evaluate(&says("<expired>burn</expired>")).expired, None);
    let history = format!(
        "{}{}",
        says("<allow-offline-storage>active</allow-offline-storage>"),
        says("<allow-offline-storage>inactive</allow-offline-storage>")
    );
    assert_eq!(evaluate(&history).offline_storage, Some(true));
    assert_eq!(evaluate(&rule("<weather/>", "<expired>store</expired>")).expired, None);
}

#[test]
fn what_is_no_ruleset_is_refused_and_debug_names_nobody() {
    assert_eq!(Ruleset::read(b"<rules/>", &Limits::default()), Err(RulesetError::Root));
    let rules = ruleset(&rule(&format!("<identity><one id='{ALICE}'/></identity>"), ""));
    assert_eq!(format!("{rules:?}"), "Ruleset(1 rules)");
}

proptest! {
    /// Order of rules does not matter, and a further rule takes no permission away.
    #[test]
    fn rules_only_add_permissions(
        rules in proptest::collection::vec((0usize..4, any::<bool>()), 0..6),
        more in (0usize..4, any::<bool>()),
    ) {
        let conditions = ["", OURS, "<sphere/>", "<media-list><all-media-except/></media-list>"];
        let text = |rules: &[(usize, bool)]| -> String {
            rules.iter().map(|(at, push)| rule(conditions[*at], if *push { PUSH } else { "" })).collect()
        };
        let mut reversed = rules.clone();
        reversed.reverse();
        let before = push(&text(&rules));
        prop_assert_eq!(before, push(&text(&reversed)));
        reversed.push(more);
        prop_assert!(push(&text(&reversed)) >= before);
    }
}
