//! Where a transfer may go: redirects, and names that lead to special-purpose addresses.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use super::{Failure, FetchOptions, redact};
use crate::error::excerpt;
use crate::net::special_purpose;

/// What the redirects of one document may do.
pub(super) struct Redirects<'a> {
    start: &'a Url,
    options: &'a FetchOptions,
    followed: u32,
    /// Whether all of them stayed at the first origin: only there are credentials shown.
    pub(super) at_home: bool,
}

impl<'a> Redirects<'a> {
    pub(super) fn new(start: &'a Url, options: &'a FetchOptions) -> Self {
        Self { start, options, followed: 0, at_home: true }
    }

    /// Where a redirect from `from` leads, if it may be followed.
    pub(super) fn follow(&mut self, from: &Url, location: &str) -> Result<Url, Failure> {
        if self.followed >= self.options.max_redirects {
            let reason = format!("more than {} redirects", self.options.max_redirects);
            return Err(Failure::for_good(reason));
        }
        self.followed += 1;
        let mut to = from
            .join(location)
            .map_err(|_| Failure::for_good("redirected to an address that does not parse"))?;
        let refused = |why: &str| {
            Err(Failure::for_good(format!("redirect to {} refused: {why}", redact(to.as_str()))))
        };
        if !matches!(to.scheme(), "http" | "https") {
            return refused("not http or https");
        }
        if from.scheme() == "https" && to.scheme() == "http" {
            return refused("it gives up encryption");
        }
        let meant = to.host() == self.start.host() || self.options.allow_private;
        if let (Some(purpose), false) = (special_host(&to), meant) {
            return refused(&format!("that is {purpose}; `fetch.allow_private` would let it"));
        }
        // Credentials stay with the origin they were given for; the redirect cannot bring others.
        let same_origin = from.origin() == to.origin();
        self.at_home &= same_origin;
        let (user, password) =
            if same_origin { (from.username(), from.password()) } else { ("", None) };
        // Only addresses without a host refuse this.
        let _ = to.set_username(user);
        let _ = to.set_password(password);
        Ok(to)
    }
}

/// What is special about a host that can be judged without looking its name up.
fn special_host(url: &Url) -> Option<&'static str> {
    let purpose = |address: IpAddr| special_purpose(address).map(|block| block.name);
    match url.host()? {
        Host::Ipv4(address) => purpose(address.into()),
        Host::Ipv6(address) => purpose(address.into()),
        Host::Domain(name) => is_localhost(name).then_some("this machine"),
    }
}

fn is_localhost(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}

/// Looks a name up, blocking.
pub(super) type Lookup = Arc<dyn Fn(&str) -> io::Result<Vec<SocketAddr>> + Send + Sync>;

pub(super) fn system_lookup() -> Lookup {
    Arc::new(|name| (name, 0).to_socket_addrs().map(Iterator::collect))
}

/// A resolver whose answers hold no special-purpose address: what it returns is what is connected
/// to, so a name cannot be public when it is checked and private when it is used.
pub(super) struct Guard {
    lookup: Lookup,
    allow_private: bool,
    /// Names that may lead anywhere: those of proxies.
    meant: Arc<[String]>,
}

impl Guard {
    pub(super) fn new(lookup: Lookup, allow_private: bool, meant: Vec<String>) -> Self {
        Self { lookup, allow_private, meant: meant.into() }
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let lookup = Arc::clone(&self.lookup);
        let meant = self.meant.iter().any(|host| host.eq_ignore_ascii_case(name.as_str()));
        let allow_private = self.allow_private || meant;
        Box::pin(async move {
            let name = name.as_str().to_owned();
            let found = tokio::task::spawn_blocking(move || {
                let found = lookup(&name)?;
                Ok::<_, io::Error>((name, found))
            });
            let (name, found) = found.await??;
            // Redirects to localhost were judged before; what is left was configured.
            let addresses = if allow_private || is_localhost(&name) {
                found
            } else {
                public_only(&name, found)?
            };
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

fn public_only(name: &str, found: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, Blocked> {
    let special = found.iter().find_map(|a| Some((a.ip(), special_purpose(a.ip())?.name)));
    let public: Vec<_> = found.into_iter().filter(|a| special_purpose(a.ip()).is_none()).collect();
    match special {
        Some((address, purpose)) if public.is_empty() => {
            Err(Blocked { name: excerpt(name), address, purpose })
        }
        _ => Ok(public),
    }
}

/// A name leads to special-purpose addresses only.
#[derive(Debug, thiserror::Error)]
#[error(
    "{name} leads to {address}, which is {purpose}; if that is meant, set `fetch.allow_private`"
)]
pub(super) struct Blocked {
    name: String,
    address: IpAddr,
    purpose: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn follow(start: &str, location: &str, options: &FetchOptions) -> Result<String, String> {
        let start = Url::parse(start).unwrap();
        let to = Redirects::new(&start, options).follow(&start, location);
        to.map(String::from).map_err(|failure| failure.reason)
    }

    #[test]
    fn where_redirects_may_go() {
        let options = FetchOptions::default();
        for (start, location, expected) in [
            ("https://a.example/x/y", "z", "https://a.example/x/z"),
            ("https://a.example/x", "//b.example/y", "https://b.example/y"),
            ("http://a.example/x", "https://a.example/x", "https://a.example/x"),
            ("https://a.example/", "https://8.8.8.8/", "https://8.8.8.8/"),
            // The feed was configured with this host.
            ("http://127.0.0.1:1/", "http://127.0.0.1:2/", "http://127.0.0.1:2/"),
            ("http://localhost/", "/y", "http://localhost/y"),
            ("http://[fd00::1]/", "/y", "http://[fd00::1]/y"),
            // Credentials are for their origin only.
            ("https://u:p@a.example/", "/y", "https://u:p@a.example/y"),
            ("https://u:p@a.example/", "https://a.example/y", "https://u:p@a.example/y"),
            ("https://u:p@a.example/", "https://b.example/y", "https://b.example/y"),
            ("https://u:p@a.example/", "https://a.example:444/y", "https://a.example:444/y"),
            ("https://a.example/", "https://u:p@b.example/y", "https://b.example/y"),
        ] {
            assert_eq!(follow(start, location, &options).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn where_redirects_may_not_go() {
        let options = FetchOptions::default();
        for (start, location, why) in [
            ("https://a.example/", "http://a.example/", "gives up encryption"),
            ("https://a.example/", "file:///etc/passwd", "not http or https"),
            ("https://a.example/", "ftp://a.example/", "not http or https"),
            ("https://a.example/", "https://[bad", "does not parse"),
            ("https://a.example/", "https://127.0.0.1/", "Loopback"),
            ("https://a.example/", "https://2130706433/", "Loopback"),
            ("https://a.example/", "https://0x7f.1/", "Loopback"),
            ("https://a.example/", "https://[::1]/", "Loopback"),
            ("https://a.example/", "https://[::ffff:127.0.0.1]/", "Loopback"),
            ("https://a.example/", "https://[64:ff9b::10.0.0.1]/", "Private-Use"),
            ("https://a.example/", "https://[2002:a00:1::]/", "Private-Use"),
            ("https://a.example/", "https://0.0.0.0/", "This host"),
            ("https://a.example/", "https://10.0.0.1/", "Private-Use"),
            ("https://a.example/", "https://169.254.169.254/latest", "Link Local"),
            ("https://a.example/", "https://LOCALHOST/", "this machine"),
            ("https://a.example/", "https://x.localhost./", "this machine"),
            // A private feed may not lead to another private host either.
            ("http://10.0.0.1/", "http://169.254.169.254/", "Link Local"),
            ("http://127.0.0.1/", "http://localhost/", "this machine"),
        ] {
            let refusal = follow(start, location, &options).unwrap_err();
            assert!(refusal.contains(why), "{location}: {refusal}");
        }
        let secret = follow("https://a.example/", "http://u:p@a.example/?key=1", &options);
        assert_eq!(
            secret.unwrap_err(),
            "redirect to http://a.example/ refused: it gives up encryption"
        );
        let allowed = FetchOptions { allow_private: true, ..options };
        assert!(follow("https://a.example/", "https://10.0.0.1/", &allowed).is_ok());
    }

    #[test]
    fn redirects_are_counted() {
        let options = FetchOptions::default();
        let url = Url::parse("https://a.example/").unwrap();
        let mut redirects = Redirects::new(&url, &options);
        assert!((0..5).all(|_| redirects.follow(&url, "/x").is_ok()));
        assert_eq!(redirects.follow(&url, "/x").unwrap_err().reason, "more than 5 redirects");
    }

    #[test]
    fn names_keep_only_public_addresses() {
        let socket = |text: &str| SocketAddr::new(text.parse().unwrap(), 0);
        let mixed = vec![socket("127.0.0.1"), socket("8.8.8.8"), socket("fe80::1")];
        assert_eq!(public_only("a.example", mixed).unwrap(), [socket("8.8.8.8")]);
        let blocked = public_only("a.example", vec![socket("169.254.169.254")]).unwrap_err();
        assert_eq!(
            blocked.to_string(),
            "a.example leads to 169.254.169.254, which is Link Local; if that is meant, set \
             `fetch.allow_private`"
        );
        assert_eq!(public_only("a.example", vec![]).unwrap(), []);
    }
}
