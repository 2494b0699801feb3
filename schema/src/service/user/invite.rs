//! Invitations: what they bring, to whoever invited and to whoever came.

use crate::App;
use crate::actor::Actor;
use crate::db::Tx;
use crate::error::Result;
use crate::model::ledger::{EntryKind, LedgerEntry};
use crate::model::user::User;
use crate::money::Micros;
use crate::service::setting::{self, names};
use crate::service::wallet::{self, Moved, Movement};

/// What entries of rewards for an invitation refer to, before the number of who came.
const CAME: &str = "invited:";

/// What somebody's invitations brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Invitations {
    /// How many came.
    pub people: i64,
    /// What was given for them.
    pub rewards: Micros,
}

/// Rewards an invitation, inside the transaction in which somebody registers by it; to be announced after the commit.
/// Whoever cannot sign in any more is given nothing.
pub(super) async fn reward_in(
    app: &App,
    tx: &mut Tx,
    actor: &Actor,
    inviter: &User,
    invitee_id: i64,
) -> Result<Vec<Moved>> {
    let settings = setting::current(app);
    let for_inviter = if inviter.is_active() { settings.int(names::INVITER_REWARD) } else { 0 };
    let for_invitee = settings.int(names::INVITEE_REWARD);
    drop(settings);
    let came = format!("{CAME}{invitee_id}");
    let by = format!("invited-by:{}", inviter.id);
    let mut moved = Vec::new();
    for (user_id, amount, reference, side, note) in [
        (inviter.id, for_inviter, &came, "inviter", "reward for an invitation"),
        (invitee_id, for_invitee, &by, "invitee", "registered by an invitation"),
    ] {
        if amount <= 0 {
            continue;
        }
        let idem_key = format!("invitation:{invitee_id}:{side}");
        let movement = Movement {
            user_id,
            kind: EntryKind::Bonus,
            amount: Micros(amount),
            reference,
            idem_key: Some(&idem_key),
            note,
            may_overdraw: false,
        };
        moved.push(wallet::move_in(app, tx, actor, movement).await?);
    }
    Ok(moved)
}

/// What somebody's invitations brought: one's own, or anybody's for administrators.
pub async fn invitations(app: &App, actor: &Actor, user_id: i64) -> Result<Invitations> {
    actor.owns_or_admin(user_id, "user")?;
    let mut conn = app.db.conn().await?;
    let people = User::count_invited(&mut conn, user_id).await?;
    let rewards = LedgerEntry::sum_of(&mut conn, user_id, EntryKind::Bonus, CAME).await?;
    Ok(Invitations { people, rewards })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::actor::{Face, Role};
    use crate::service::user::{NewPerson, PersonChange, change, get, register};
    use crate::testing::TestApp;

    fn named(name: &str, invited_by: Option<String>) -> NewPerson {
        NewPerson {
            username: name.to_owned(),
            password: Some("long-enough".to_owned()),
            invited_by,
            ..NewPerson::default()
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_invitation_rewards_both_sides_once_and_nobody_else() {
        let t = TestApp::new().await;
        let root = t.admin().await;
        let (ann, own) = t.person("ann", Role::User).await;
        let nobody = Actor::anonymous(Face::Newapi, "", "");
        let code = Some(ann.aff_code.clone());
        let first = register(&t, &nobody, named("first", code.clone())).await.unwrap();
        assert_eq!((first.inviter_id, first.balance), (Some(ann.id), Micros::ZERO), "nothing is set up");
        let values = [(names::INVITER_REWARD, "300"), (names::INVITEE_REWARD, "20"), (names::NEW_USER_BALANCE, "1")];
        let values: BTreeMap<String, Option<String>> =
            values.iter().map(|(name, value)| ((*name).to_owned(), Some((*value).to_owned()))).collect();
        setting::put(&t, &root, &values).await.unwrap();
        let second = register(&t, &nobody, named("second", code.clone())).await.unwrap();
        assert_eq!(second.balance, Micros(21));
        assert_eq!(get(&t, &root, second.id).await.unwrap().balance, Micros(21));
        let third = register(&t, &nobody, named("third", Some("no-such-code".to_owned()))).await.unwrap();
        assert_eq!((third.inviter_id, third.balance), (None, Micros(1)));
        // A registration that is refused rewards nobody.
        assert!(register(&t, &nobody, named("second", code.clone())).await.is_err());
        assert_eq!(get(&t, &root, ann.id).await.unwrap().balance, Micros(300));
        let brought = invitations(&t, &own, ann.id).await.unwrap();
        assert_eq!(brought, Invitations { people: 2, rewards: Micros(300) });
        let stranger = t.user("bob").await;
        assert_eq!(invitations(&t, &stranger, ann.id).await.unwrap_err().code(), "NOT_FOUND");
        let away = PersonChange { status: Some(crate::model::user::UserStatus::Suspended), ..PersonChange::default() };
        change(&t, &root, ann.id, away).await.unwrap();
        let fourth = register(&t, &nobody, named("fourth", code)).await.unwrap();
        assert_eq!(fourth.balance, Micros(21));
        assert_eq!(get(&t, &root, ann.id).await.unwrap().balance, Micros(300), "who is stopped is given nothing");
        assert!(wallet::check_ledger(&t).await.unwrap().is_empty());
    }
}
