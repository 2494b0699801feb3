//! What the services' own tests stand on: an [`App`] on a fresh SQLite file, with a hand-moved clock.
//!
//! Migrations block a worker, so these tests say `#[tokio::test(flavor = "multi_thread")]`.

use std::ops::Deref;
use std::path::PathBuf;

use crate::actor::{Actor, Face, Role};
use crate::clock::{Clock, Time};
use crate::config::{Config, Env};
use crate::model::user::{NewUser, User, UserStatus, fold};
use crate::{App, id};

/// 2025-10-11T10:00:00Z, where every test begins.
pub const START: Time = Time(1_760_176_800_000);

/// An application of one test; its files go when it does.
pub struct TestApp {
    pub app: App,
    folder: PathBuf,
}

impl TestApp {
    /// A fresh database, migrated, with nobody in it.
    pub async fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("tollgate-test-{}", id::uuid()));
        let env = Env::of(&[("DATA_DIR", &folder.to_string_lossy()), ("DATABASE_CONNECTIONS", "4")]);
        let mut config = Config::read(&env, "127.0.0.1:0").expect("a configuration");
        config.weak_hash = true;
        let app = App::connect_at(config, Clock::manual(START)).await.expect("an application");
        Self { app, folder }
    }
    /// Moves the clock on.
    pub fn advance(&self, ms: i64) {
        self.app.clock.advance(ms);
    }
    /// A new person of a role, straight into the table, and them at work.
    pub async fn person(&self, name: &str, role: Role) -> (User, Actor) {
        let now = self.app.clock.now();
        let new = NewUser {
            uid: id::uuid(),
            username: name.to_owned(),
            username_key: fold(name),
            email: None,
            email_key: None,
            email_verified: false,
            display_name: name.to_owned(),
            password_hash: None,
            role,
            status: UserStatus::Active,
            group_name: "default".to_owned(),
            aff_code: id::code(id::CODE_ALPHABET, 8),
            inviter_id: None,
            remark: String::new(),
            created_at: now,
            updated_at: now,
        };
        let mut conn = self.app.db.conn().await.expect("a connection");
        let user = User::insert(&mut conn, &new).await.expect("a person");
        let mut actor = Actor::anonymous(Face::Graphql, "127.0.0.1", "test");
        actor.user_id = Some(user.id);
        actor.name = user.username.clone();
        actor.role = Some(role);
        (user, actor)
    }
    /// A process beside this one, on the same database and clock. News of what went before it does not reach it.
    pub async fn neighbour(&self) -> App {
        let mut config = self.config.clone();
        config.data_dir = config.data_dir.join("neighbour");
        App::connect_at(config, self.clock.clone()).await.expect("an application")
    }
    /// A super administrator at work.
    pub async fn admin(&self) -> Actor {
        self.person("root", Role::SuperAdmin).await.1
    }
    /// An ordinary user at work.
    pub async fn user(&self, name: &str) -> Actor {
        self.person(name, Role::User).await.1
    }
}

impl Deref for TestApp {
    type Target = App;
    fn deref(&self) -> &App {
        &self.app
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        self.app.stop.cancel();
        // Open connections keep their unlinked files; the folder is gone all the same.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn an_application_stands_and_its_clock_is_ours() {
        let t = TestApp::new().await;
        assert_eq!(t.clock.now(), START);
        t.advance(5);
        assert_eq!(t.clock.now(), START.plus(5));
        let ann = t.user("ann").await;
        assert!(!ann.is_admin());
        assert!(t.admin().await.is_admin());
    }
}
