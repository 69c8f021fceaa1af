use super::*;
use proptest::prelude::*;

const NOW: Timestamp = Timestamp::from_secs(1_267_521_247);

fn user(text: &str) -> UserProfile {
    UserProfile::read(text.as_bytes(), &Limits::default()).unwrap()
}

fn disturbed(text: &str) -> bool {
    !user(text).do_not_disturb
}

#[test]
fn push_1a_do_not_disturb_is_read_from_the_active_profile() {
    let two = |first: &str, second: &str| {
        user(&format!(
            "<upp-directory><profile id='1' {first}><dnd/></profile><profile id='2' {second}><x/></profile></upp-directory>"
        ))
        .do_not_disturb
    };
    assert!(two("active='true'", ""));
    assert!(two("state='active'", "state='inactive'"));
    assert!(!two("", "status='active'"));
    assert!(!two("active='false'", "active='1'"));
    assert!(!two("", ""), "no profile is active");
    let by_child = "<d xmlns:u='urn:u'><u:list><u:p><u:active/><u:call><u:do-not-disturb>TRUE</u:do-not-disturb></u:call></u:p></u:list></d>";
    assert!(!disturbed(by_child));
}

#[test]
fn push_1a_a_document_without_marks_is_itself_the_profile() {
    assert!(!disturbed("<user-profile><do-not-disturb/></user-profile>"));
    assert!(disturbed("<user-profile><do-not-disturb>false</do-not-disturb></user-profile>"));
    assert!(disturbed("<user-profile active='false'><do-not-disturb/></user-profile>"));
    assert!(disturbed("<user-profile><sub><do-not-disturb/></sub></user-profile>"), "a profile that is not active");
    assert!(disturbed("<user-profile/>"));
}

#[test]
fn push_1a_a_medium_that_is_not_wanted_is_do_not_disturb() {
    let media = |text: &str| {
        disturbed(&format!("<u><p active=''><media><deferred-messages>{text}</deferred-messages></media></p></u>"))
    };
    assert!(!media("false") && !media(" Inactive "));
    assert!(media("true") && media("") && media("perhaps"));
}

#[test]
fn exp_1_and_sndp_6_rules_go_before_the_profile_document() {
    let both = "<allow-offline-storage>active</allow-offline-storage><expired>store</expired>";
    let top = user(&format!("<u>{both}<p active='true'><expired>discard</expired></p></u>"));
    assert_eq!(
        (top.expired, top.offline_storage),
        (Some(Expired::Discard), Some(true)),
        "the active profile goes first"
    );
    assert_eq!(user(&format!("<u active='false'>{both}</u>")).expired, Some(Expired::Store));
    let rules = "<ruleset><rule><actions><expired>discard</expired>\
        <allow-offline-storage>inactive</allow-offline-storage></actions></rule></ruleset>";
    let rules = Ruleset::read(rules.as_bytes(), &Limits::default()).ok();
    let profile = Profile { rules, user: Some(user(&format!("<u>{both}</u>"))), origin: Origin::Document };
    let evaluated = profile.evaluate(None, NOW);
    assert_eq!((evaluated.expired, evaluated.offline_storage), (Some(Expired::Discard), false));
    let evaluated = Profile { rules: None, ..profile }.evaluate(None, NOW);
    assert_eq!((evaluated.expired, evaluated.offline_storage), (Some(Expired::Store), true));
}

#[test]
fn i_36_a_user_without_documents_has_said_nothing() {
    let profile = Profile::default();
    assert_eq!((profile.origin, profile.evaluate(Some("sip:a@h"), NOW)), (Origin::Absent, Evaluated::default()));
    assert_eq!(Evaluated::default().allow_push, None);
}

proptest! {
    #[test]
    fn any_document_is_a_profile_or_refused(text in "(<(u|p active='1'|dnd|active|expired)>|</(u|p|dnd)>|<dnd/>|store){0,12}") {
        let _ = UserProfile::read(text.as_bytes(), &Limits::default());
        let _ = Ruleset::read(text.as_bytes(), &Limits::default());
    }
}
