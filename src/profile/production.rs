//! The server that is profiled: found by the name of a variable, so that no password stands on a command line, and spoken to
//! with TLS if it is on another machine and the URL does not say otherwise.

use crate::scenario::Engine;
use crate::server::{Access, Reached, reach};

/// Why the server could not be found or reached. No text has the URL or its password in it.
#[derive(Debug, thiserror::Error)]
pub enum ProductionError {
    /// A URL on the command line.
    #[error(
        "--url takes the name of a variable, not a URL: others can see what is on a command line, and it stays in its history. \
         Put the URL into a variable, such as PRODUCTION_URL, and write --url env:PRODUCTION_URL"
    )]
    Written,
    /// A variable that is not set.
    #[error("--url env:{0}: this variable is not set; put the URL of the server into it")]
    NoVariable(String),
    /// A URL that cannot be used.
    #[error("the URL in {variable}: {why}")]
    Url {
        /// The variable that holds it.
        variable: String,
        /// What is wrong with it, or with the way to the server.
        why: String,
    },
}

/// A database to profile. Debug output has no password in it.
#[derive(Debug)]
pub struct Production {
    reached: Reached,
}

impl Production {
    /// Finds what `env:NAME` names.
    pub async fn find(written: &str) -> Result<Self, ProductionError> {
        let Some(name) = written.strip_prefix("env:") else { return Err(ProductionError::Written) };
        match std::env::var(name) {
            Ok(url) if !url.trim().is_empty() => Self::reach(url.trim(), name).await,
            _ => Err(ProductionError::NoVariable(name.to_owned())),
        }
    }

    async fn reach(url: &str, variable: &str) -> Result<Self, ProductionError> {
        let engine = match url.split_once("://") {
            Some(("mysql", _)) => Engine::Mysql,
            Some(("mariadb", _)) => Engine::Mariadb,
            _ => Engine::Postgres,
        };
        let reached = reach(engine, url).await;
        let reached = reached.map_err(|why| ProductionError::Url { variable: variable.to_owned(), why })?;
        Ok(Self { reached })
    }

    /// How to connect to it.
    pub fn access(&self) -> &Access {
        &self.reached.access
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_url_on_the_command_line_is_refused_without_quoting_it() {
        let error = Production::find("postgresql://me:hunter2@db/shop").await.expect_err("refused").to_string();
        assert!(error.contains("--url env:PRODUCTION_URL") && !error.contains("hunter2"), "{error}");
    }

    #[tokio::test]
    async fn a_url_that_cannot_be_used_is_refused_without_quoting_it() {
        for url in ["redis://me:hunter2@db/shop", "postgresql://me:hunter2@db", "mysql://me:hunter2@db/"] {
            let error = Production::reach(url, "PRODUCTION_URL").await.expect_err(url).to_string();
            assert!(error.contains("PRODUCTION_URL") && !error.contains("hunter2"), "{error}");
        }
    }
}
