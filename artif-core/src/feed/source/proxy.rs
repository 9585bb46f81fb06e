//! Proxies between the fetcher and the servers.

use reqwest::{NoProxy, Proxy};
use secrecy::ExposeSecret as _;
use url::Url;

use super::secret::How;
use super::{Failure, FetchOptions};

/// Proxies as the HTTP library wants them, and the hosts they run on: those may be private.
#[derive(Default)]
pub(super) struct Proxies {
    pub(super) rules: Vec<Proxy>,
    pub(super) hosts: Vec<String>,
}

impl Proxies {
    pub(super) fn new(options: &FetchOptions) -> Result<Self, Failure> {
        match options.proxy.as_deref() {
            None => Ok(Self::default()),
            Some("env") => Self::of_environment(|name| std::env::var(name).ok()),
            Some(url) => Self::configured(url, options),
        }
    }

    fn configured(url: &str, options: &FetchOptions) -> Result<Self, Failure> {
        let mut proxy = Proxy::all(url).map_err(|_| unusable("`fetch.proxy`"))?;
        if let Some(auth) = &options.proxy_auth {
            // Nothing else passes the check of the configuration.
            if let How::Basic(user) = &auth.how {
                let password = auth.secret.read().map_err(Failure::for_good)?;
                proxy = proxy.basic_auth(user, password.expose_secret());
            }
        }
        proxy = proxy.no_proxy(NoProxy::from_string(&options.no_proxy.join(",")));
        let hosts = host(url).into_iter().collect();
        Ok(Self { rules: vec![proxy], hosts })
    }

    /// What the variables say that other programs heed too; a lower-case name goes first.
    fn of_environment(var: impl Fn(&str) -> Option<String>) -> Result<Self, Failure> {
        type Make = fn(&str) -> reqwest::Result<Proxy>;
        let var = |name: &str| {
            // In a CGI program HTTP_PROXY is what a client sent as a header.
            let forged = name == "http_proxy" && var("REQUEST_METHOD").is_some();
            let upper = || if forged { None } else { var(&name.to_ascii_uppercase()) };
            var(name).or_else(upper).filter(|value| !value.trim().is_empty())
        };
        let none = NoProxy::from_string(&var("no_proxy").unwrap_or_default());
        let mut proxies = Self::default();
        let kinds: [(&str, Make); 3] = [
            ("http_proxy", |url| Proxy::http(url)),
            ("https_proxy", |url| Proxy::https(url)),
            ("all_proxy", |url| Proxy::all(url)),
        ];
        for (name, make) in kinds {
            let Some(url) = var(name) else { continue };
            let url = if url.contains("://") { url } else { format!("http://{url}") };
            let proxy = make(&url).map_err(|_| unusable(name))?;
            proxies.rules.push(proxy.no_proxy(none.clone()));
            proxies.hosts.extend(host(&url));
        }
        Ok(proxies)
    }
}

fn host(url: &str) -> Option<String> {
    Url::parse(url).ok()?.host_str().map(str::to_ascii_lowercase)
}

/// The address itself may hold a password.
fn unusable(what: &str) -> Failure {
    Failure::for_good(format!("{what} is not the address of a proxy, as in http://proxy:3128"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables() {
        let hosts = |vars: &[(&str, &str)]| {
            let var = |name: &str| {
                vars.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
            };
            Proxies::of_environment(var).map(|p| p.hosts).map_err(|failure| failure.reason)
        };
        assert_eq!(hosts(&[]).unwrap(), [""; 0]);
        assert_eq!(
            hosts(&[("HTTP_PROXY", "http://A:1"), ("https_proxy", "b:2")]).unwrap(),
            ["a", "b"]
        );
        assert_eq!(
            hosts(&[("http_proxy", "http://a"), ("HTTP_PROXY", "http://b")]).unwrap(),
            ["a"]
        );
        assert_eq!(
            hosts(&[("HTTP_PROXY", "http://a"), ("REQUEST_METHOD", "GET")]).unwrap(),
            [""; 0]
        );
        assert_eq!(hosts(&[("ALL_PROXY", "socks5h://u:p@a:1080")]).unwrap(), ["a"]);
        let error = hosts(&[("https_proxy", "http://u:hunter2@[bad")]).unwrap_err();
        assert!(error.starts_with("https_proxy is not") && !error.contains("hunter2"), "{error}");
    }
}
