//! Entity tags in the conditions of requests (RFC 9110 section 13.1).

use super::problem::Problem;
use actix_web::HttpRequest;
use actix_web::http::header;

/// The entity tags of a header, or `*`.
pub(super) fn listed(request: &HttpRequest, name: &header::HeaderName) -> Result<Option<Vec<String>>, Problem> {
    let mut found = None;
    for value in request.headers().get_all(name) {
        let text = value.to_str().map_err(|_| Problem::bad_request(&format!("{name} is no list of entity tags")))?;
        found.get_or_insert_with(Vec::new).extend(text.split(',').map(|tag| tag.trim().to_owned()));
    }
    Ok(found)
}

/// Whether the client has what it asks for already: `If-None-Match` is `*`, or has this tag, weak or not (RFC 9110
/// section 13.1.2).
pub(super) fn is_known(request: &HttpRequest, tag: &str) -> Result<bool, Problem> {
    let same = |listed: &String| listed == "*" || listed.strip_prefix("W/").unwrap_or(listed) == tag;
    Ok(listed(request, &header::IF_NONE_MATCH)?.is_some_and(|tags| tags.iter().any(same)))
}
