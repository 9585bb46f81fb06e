//! TEMPORARY
use super::{Feed, Format};
use crate::error::{Error, Result};
use std::path::Path;
#[derive(Debug)]
#[expect(missing_docs)]
pub struct Catalogue {
    pub feeds: Vec<Feed>,
}
#[derive(serde::Deserialize)]
pub(crate) struct FeedSpec {}
impl FeedSpec {
    pub(crate) fn into_feed(self, _: Option<&Path>) -> Result<Feed> {
        Err(Error::config("x"))
    }
}
#[derive(serde::Deserialize)]
struct E {
    name: String,
    provider: String,
    r#type: Vec<crate::Category>,
    threat_level_id: crate::ThreatLevel,
    path: String,
}
#[derive(serde::Deserialize)]
struct L {
    feeds: Vec<E>,
}
#[expect(missing_docs)]
impl Catalogue {
    pub fn embedded() -> Result<Self> {
        Ok(Self { feeds: vec![] })
    }
    pub fn load(path: &Path) -> Result<Self> {
        let l: L = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        Ok(Self {
            feeds: l
                .feeds
                .into_iter()
                .map(|e| {
                    let url = format!("file:{}", path.parent().unwrap().join(&e.path).display());
                    let id = crate::FeedId::from_name(&e.name).unwrap();
                    Feed::new(id.as_str(), &url)
                        .unwrap()
                        .name(e.name)
                        .publisher(e.provider)
                        .format(Format::FreeText)
                        .categories(e.r#type)
                        .threat_level(e.threat_level_id)
                })
                .collect(),
        })
    }
}
