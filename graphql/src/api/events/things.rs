//! Tasks, orders and announcements as they change.

use async_graphql::{ComplexObject, Context, Enum, ID, SimpleObject, Subscription};
use futures_util::{Stream, StreamExt};
use schema::bus::Event;
use schema::model::order::OrderStatus as Status;
use schema::model::task::TaskStatus as Progress;
use schema::service::{announcement, order};

use super::picked;
use crate::api::announcement::Announcement;
use crate::api::order::{Order, OrderStatus};
use crate::api::task::{Task, TaskStatus};
use crate::context::Reach;
use crate::fault::Result;
use crate::{loader, node};

/// A task that has just moved.
#[derive(SimpleObject)]
#[graphql(complex)]
pub struct TaskEvent {
    /// The task.
    pub task_id: ID,
    /// How far it is.
    pub status: TaskStatus,
    /// How far, in percent.
    pub progress: i32,
    /// True when moves before this one may not have been told.
    pub missed: bool,
    #[graphql(skip)]
    row: i64,
}

#[ComplexObject]
impl TaskEvent {
    /// The task as it is now.
    async fn task(&self, ctx: &Context<'_>) -> Option<Result<Task>> {
        loader::one(ctx, loader::TaskById(self.row)).await
    }
}

/// An order that has just changed.
#[derive(SimpleObject)]
#[graphql(complex)]
pub struct OrderEvent {
    /// The order.
    pub order_id: ID,
    /// The number people and providers know it by.
    pub number: String,
    /// How it stands.
    pub status: OrderStatus,
    /// True when changes before this one may not have been told.
    pub missed: bool,
}

#[ComplexObject]
impl OrderEvent {
    /// The order as it is now.
    async fn order(&self, ctx: &Context<'_>) -> Option<Result<Order>> {
        match node::found(order::get(ctx.app(), ctx.actor(), &self.number).await, |placed| placed.order.into()) {
            Ok(order) => order.map(Ok),
            Err(e) => Some(Err(e)),
        }
    }
}

/// What became of an announcement.
#[derive(Enum, Copy, Clone, Eq, PartialEq, Debug)]
pub enum AnnouncementChange {
    /// It is there, and new or changed.
    Shown,
    /// It is not there any more, or not for this person.
    Gone,
}

/// An announcement that has just changed.
#[derive(SimpleObject)]
pub struct AnnouncementEvent {
    /// The announcement.
    pub announcement_id: ID,
    /// What became of it.
    pub change: AnnouncementChange,
    /// The announcement as it is now; null when it is gone.
    pub announcement: Option<Announcement>,
    /// True when changes before this one may not have been told.
    pub missed: bool,
}

#[derive(Default)]
pub struct ThingSubscription;

#[Subscription]
impl ThingSubscription {
    /// Tasks as they move: one's own, or everybody's for administrators.
    async fn task_changed(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only this task.")] task_id: Option<ID>,
        #[graphql(desc = "Whose; everybody's for administrators, one's own for others when absent.")] user_id: Option<
            ID,
        >,
    ) -> Result<impl Stream<Item = TaskEvent> + use<>> {
        let user = ctx.actor().whose(node::row_if("User", user_id.as_ref(), "userId")?)?;
        let task = node::row_if("Task", task_id.as_ref(), "taskId")?;
        Ok(picked(ctx.app().bus.listen(), move |event, missed| match event {
            Event::TaskChanged { id, user_id, status, progress }
                if user.is_none_or(|u| u == *user_id) && task.is_none_or(|t| t == *id) =>
            {
                Some(TaskEvent {
                    task_id: node::id("Task", *id),
                    status: Progress::parse(status)?.into(),
                    progress: i32::try_from(*progress).unwrap_or_default(),
                    missed,
                    row: *id,
                })
            }
            _ => None,
        }))
    }

    /// Orders as they are paid, cancelled or end: one's own, or everybody's for administrators.
    async fn order_changed(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only this order.")] order_id: Option<ID>,
        #[graphql(desc = "Whose; everybody's for administrators, one's own for others when absent.")] user_id: Option<
            ID,
        >,
    ) -> Result<impl Stream<Item = OrderEvent> + use<>> {
        let user = ctx.actor().whose(node::row_if("User", user_id.as_ref(), "userId")?)?;
        let only = order_id.map(|id| node::name("Order", &id, "orderId")).transpose()?;
        Ok(picked(ctx.app().bus.listen(), move |event, missed| match event {
            Event::OrderChanged { no, user_id, status }
                if user.is_none_or(|u| u == *user_id) && only.as_ref().is_none_or(|o| o == no) =>
            {
                Some(OrderEvent {
                    order_id: node::id("Order", no),
                    number: no.clone(),
                    status: Status::parse(status)?.into(),
                    missed,
                })
            }
            _ => None,
        }))
    }

    /// Announcements as they are published, changed and taken back, as far as one may see them.
    async fn announcement_changed(&self, ctx: &Context<'_>) -> Result<impl Stream<Item = AnnouncementEvent> + use<>> {
        ctx.actor().signed_in()?;
        let (app, actor) = (ctx.app().clone(), ctx.actor().clone());
        let changes = picked(app.bus.listen(), |event, missed| match event {
            Event::AnnouncementChanged { id } => Some((*id, missed)),
            _ => None,
        });
        Ok(changes.then(move |(id, missed)| {
            let (app, actor) = (app.clone(), actor.clone());
            async move {
                let seen = announcement::get(&app, &actor, id).await.ok();
                AnnouncementEvent {
                    announcement_id: node::id("Announcement", id),
                    change: if seen.is_some() { AnnouncementChange::Shown } else { AnnouncementChange::Gone },
                    announcement: seen.map(Into::into),
                    missed,
                }
            }
        }))
    }
}
