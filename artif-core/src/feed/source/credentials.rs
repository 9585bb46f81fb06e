//! What a request shows to the origin it was meant for, and to nobody else.

use std::fmt;

use reqwest::RequestBuilder;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::secret::How;
use super::{Failure, Request};

/// The headers of one feed, and its secret, read when they are needed.
#[derive(Default)]
pub(super) struct Credentials {
    headers: HeaderMap,
    basic: Option<(String, SecretString)>,
    query: Option<(String, SecretString)>,
}

impl Credentials {
    pub(super) fn new(request: &Request) -> Result<Self, Failure> {
        let mut credentials = Self::default();
        for (name, value) in &request.headers {
            credentials.header(name, value)?;
        }
        let Some(auth) = &request.auth else { return Ok(credentials) };
        let secret = auth.secret.read().map_err(Failure::for_good)?;
        match &auth.how {
            How::Bearer => {
                let value = SecretString::from(format!("Bearer {}", secret.expose_secret()));
                credentials.header(AUTHORIZATION.as_str(), value.expose_secret())?;
            }
            How::Header(name) => credentials.header(name, secret.expose_secret())?,
            How::Basic(user) => credentials.basic = Some((user.clone(), secret)),
            How::Query(name) => credentials.query = Some((name.clone(), secret)),
        }
        Ok(credentials)
    }

    fn header(&mut self, name: &str, value: &str) -> Result<(), Failure> {
        let unsendable = || Failure::for_good(format!("header {name:?} cannot be sent"));
        let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| unsendable())?;
        let mut value = HeaderValue::from_str(value).map_err(|_| unsendable())?;
        value.set_sensitive(true);
        self.headers.insert(header, value);
        Ok(())
    }

    /// The address with the key in its query. A redirect says itself what its query is.
    pub(super) fn address(&self, url: &Url) -> Url {
        let mut url = url.clone();
        if let Some((name, secret)) = &self.query {
            url.query_pairs_mut().append_pair(name, secret.expose_secret());
        }
        url
    }

    pub(super) fn show(&self, request: RequestBuilder) -> RequestBuilder {
        let request = request.headers(self.headers.clone());
        match &self.basic {
            Some((user, password)) => request.basic_auth(user, Some(password.expose_secret())),
            None => request,
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}
