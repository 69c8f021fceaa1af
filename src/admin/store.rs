//! Looking into the message store that is kept here: `/v1/users/{sip-uri}/store` and what is below it. Read only.

use super::problem::Problem;
use crate::gateway::store::{Folder, Listed, Reading, StoreError};
use crate::types::Address;
use actix_web::http::header;
use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use std::sync::{Arc, OnceLock};

/// Most folders or objects in one answer.
const PAGE_MAX: usize = 500;
/// What an object is served as: a header block and a body.
const MEDIA_TYPE: &str = "message/rfc822";

/// The store, from the moment it is open; nothing as long as it is not, or if it is on an IMAP server.
#[derive(Clone, Default)]
pub struct StoreView(Arc<OnceLock<Arc<dyn Reading>>>);

impl StoreView {
    /// From now on this store is looked into. The first one stays.
    pub fn open(&self, store: Arc<dyn Reading>) {
        let _ = self.0.set(store);
    }
}

/// Which page is wanted.
#[derive(Deserialize)]
struct Page {
    folder: Option<String>,
    /// Of folders: a name. Of objects: a UID.
    after: Option<String>,
}

#[derive(Serialize)]
struct Folders {
    folders: Vec<OneFolder>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct OneFolder {
    name: String,
    uidvalidity: u32,
    uid_next: u32,
    messages: u64,
    octets: u64,
}

#[derive(Serialize)]
struct Objects {
    objects: Vec<OneObject>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct OneObject {
    uid: u32,
    octets: u64,
    stored_at: String,
}

/// The paths.
pub(super) fn routes(app: &mut web::ServiceConfig) {
    let resource = |path: &str| web::resource(path).default_service(web::to(super::only_get));
    app.service(resource("/v1/users/{user}/store").route(web::get().to(list)))
        .service(resource("/v1/users/{user}/store/{folder:.+}/{uid:[0-9]+}").route(web::get().to(one)));
}

/// The folders, or with `folder=` the objects of one.
async fn list(view: web::Data<StoreView>, user: web::Path<String>, page: web::Query<Page>) -> HttpResponse {
    let after = page.after.clone();
    let Some(folder) = page.folder.clone() else {
        let folders =
            move |store: &dyn Reading, user: &Address| store.folders(user, after.as_deref(), PAGE_MAX).map(Some);
        let shown = |folders: Vec<Folder>| {
            HttpResponse::Ok().json(Folders { folders: folders.into_iter().map(OneFolder::from).collect() })
        };
        return look(&view, &user, folders, shown).await;
    };
    let Ok(after) = after.map_or(Ok(0), |after| after.parse()) else {
        return Problem::bad_request("after= must be a UID if folder= is given").into();
    };
    let objects = move |store: &dyn Reading, user: &Address| store.objects(user, &folder, after, PAGE_MAX);
    let shown = |objects: Vec<Listed>| {
        HttpResponse::Ok().json(Objects { objects: objects.into_iter().map(OneObject::from).collect() })
    };
    look(&view, &user, objects, shown).await
}

async fn one(view: web::Data<StoreView>, path: web::Path<(String, String, String)>) -> HttpResponse {
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
    view: &StoreView,
    user: &str,
    ask: impl FnOnce(&dyn Reading, &Address) -> Result<Option<T>, StoreError> + Send + 'static,
    show: impl FnOnce(T) -> HttpResponse,
) -> HttpResponse {
    let Ok(user) = Address::parse(user) else {
        return Problem::bad_request("the user must be a CPM Address such as sip:+12025550200@ims.example.net").into();
    };
    let Some(store) = view.0.get().cloned() else {
        return Problem::no_such("no message store is kept here: see the IMAP server of store.imap").into();
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
