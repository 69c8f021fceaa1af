//! Looking into the message store that is kept here: `/v1/users/{sip-uri}/store` and what is below it. Read only.

use super::Slot;
use super::problem::Problem;
use crate::gateway::store::{Folder, Listed, Reading, StoreError};
use crate::types::Address;
use actix_web::http::header;
use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Most folders or objects in one answer.
const PAGE_MAX: usize = 500;
/// What an object is served as: a header block and a body.
const MEDIA_TYPE: &str = "message/rfc822";

/// Which page is wanted.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Page {
    /// The objects of this folder; without it the folders.
    folder: Option<String>,
    /// Those after this one. Of folders: a name. Of objects: a UID.
    after: Option<String>,
}

/// What is in a user's store: folders, or the objects of one.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum Listing {
    Folders { folders: Vec<OneFolder> },
    Objects { objects: Vec<OneObject> },
}

/// A folder.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) struct OneFolder {
    name: String,
    uidvalidity: u32,
    uid_next: u32,
    messages: u64,
    octets: u64,
}

/// An object in a folder.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) struct OneObject {
    uid: u32,
    octets: u64,
    /// RFC 3339.
    stored_at: String,
}

/// What is in a user's message store: its folders, or with `folder=` the objects of one.
#[utoipa::path(get, path = "/v1/users/{user}/store", operation_id = "list_stored", tag = "users",
    params(("user" = String, Path, description = "A CPM Address, percent-encoded."), Page),
    responses((status = 200, description = "At most 500; `after` has more.", body = Listing)))]
pub(super) async fn list(
    view: web::Data<Slot<dyn Reading>>,
    user: web::Path<String>,
    page: web::Query<Page>,
) -> HttpResponse {
    let after = page.after.clone();
    let Some(folder) = page.folder.clone() else {
        let folders =
            move |store: &dyn Reading, user: &Address| store.folders(user, after.as_deref(), PAGE_MAX).map(Some);
        let shown = |folders: Vec<Folder>| {
            HttpResponse::Ok().json(Listing::Folders { folders: folders.into_iter().map(OneFolder::from).collect() })
        };
        return look(&view, &user, folders, shown).await;
    };
    let Ok(after) = after.map_or(Ok(0), |after| after.parse()) else {
        return Problem::bad_request("after= must be a UID if folder= is given").into();
    };
    let objects = move |store: &dyn Reading, user: &Address| store.objects(user, &folder, after, PAGE_MAX);
    let shown = |objects: Vec<Listed>| {
        HttpResponse::Ok().json(Listing::Objects { objects: objects.into_iter().map(OneObject::from).collect() })
    };
    look(&view, &user, objects, shown).await
}

/// One object of a user's message store, as it was stored.
#[utoipa::path(get, path = "/v1/users/{user}/store/{folder}/{uid}", operation_id = "stored_object", tag = "users",
    params(
        ("user" = String, Path, description = "A CPM Address, percent-encoded."),
        ("folder" = String, Path, description = "The name of a folder."),
        ("uid" = u32, Path, description = "The UID of an object."),
    ),
    responses((status = 200, description = "Its header block and body.", body = String, content_type = "message/rfc822")))]
pub(super) async fn one(view: web::Data<Slot<dyn Reading>>, path: web::Path<(String, String, String)>) -> HttpResponse {
    let (user, folder, uid) = path.into_inner();
    let Ok(uid) = uid.parse() else { return absent() };
    let object = move |store: &dyn Reading, user: &Address| store.object(user, &folder, uid);
    // Whoever sent it chose what is in it: no browser may take it for a page.
    let shown = |object| {
        let mut response = HttpResponse::Ok();
        response.content_type(MEDIA_TYPE).insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff")).body(object)
    };
    look(&view, &user, object, shown).await
}

/// Asks the store on a thread that may wait for the disk.
async fn look<T: Send + 'static>(
    view: &Slot<dyn Reading>,
    user: &str,
    ask: impl FnOnce(&dyn Reading, &Address) -> Result<Option<T>, StoreError> + Send + 'static,
    show: impl FnOnce(T) -> HttpResponse,
) -> HttpResponse {
    let Ok(user) = Address::parse(user) else {
        return Problem::bad_request("the user must be a CPM Address such as sip:+12025550200@ims.example.net").into();
    };
    let Some(store) = view.get() else {
        return if view.stays_empty() {
            Problem::no_such("no message store is kept here: see the IMAP server of store.imap").into()
        } else {
            Problem::unavailable("the message store is not there yet: the server is starting").into()
        };
    };
    match web::block(move || ask(store.as_ref(), &user)).await {
        Ok(Ok(Some(found))) => show(found),
        Ok(Ok(None)) => absent(),
        Ok(Err(error)) => Problem::internal(&error.to_string()).into(),
        Err(error) => Problem::internal(&error.to_string()).into(),
    }
}

fn absent() -> HttpResponse {
    Problem::no_such("this user's store has no such folder or object").into()
}

impl From<Folder> for OneFolder {
    fn from(folder: Folder) -> Self {
        let Folder { name, uidvalidity, uid_next, messages, octets } = folder;
        Self { name, uidvalidity, uid_next, messages, octets }
    }
}

impl From<Listed> for OneObject {
    fn from(listed: Listed) -> Self {
        Self { uid: listed.uid, octets: listed.octets, stored_at: listed.stored_at.to_string() }
    }
}
