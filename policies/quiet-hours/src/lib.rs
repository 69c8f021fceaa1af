//! Quiet hours: between two times of day nothing is pushed, and nobody is told of anything; what waits comes when they end.
#![no_std]

use restante_policy::prelude::*;
use time::{Window, Zone};

struct QuietHours {
    window: Window,
    /// Which of the two decisions heed it.
    delivery: bool,
    notification: bool,
}

impl Policy for QuietHours {
    const SCHEMA: &'static str = include_str!("../settings.json");

    fn configure(settings: &Object) -> Result<Self, String> {
        let time = |name, default| time::time_of_day(settings.text(name)?.unwrap_or(default));
        let zone = Zone::parse(settings.text("time-zone")?.unwrap_or("UTC0"))?;
        let mut days = [true; 7];
        if let Some(listed) = settings.texts("days")? {
            days = [false; 7];
            for day in listed {
                days[time::day_of_week(day)?] = true;
            }
        }
        let decisions = settings.texts("decisions")?.unwrap_or(vec!["delivery", "notification"]);
        if let Some(unknown) = decisions.iter().find(|name| !matches!(**name, "delivery" | "notification")) {
            return Err(format!("'{unknown}' is no decision of this policy: write delivery, notification or both"));
        }
        Ok(Self {
            window: Window::new(zone, time("from", "22:00")?, time("until", "07:00")?, days)?,
            delivery: decisions.contains(&"delivery"),
            notification: decisions.contains(&"notification"),
        })
    }
}

impl Delivery for QuietHours {
    /// Whoever does not want to be disturbed at all is not disturbed when the quiet hours end. What is managed was asked
    /// for by the user, who is awake and waits for it.
    fn judge(&self, context: &Context, _: &Message, _: &Client) -> Result<delivery::Verdict, String> {
        let standard = standard::delivery(context);
        let waits = self.delivery && standard == delivery::Verdict::Now && !standard::is_managed(context);
        Ok(match self.window.ends(context.now) {
            Some(end) if waits => delivery::Verdict::HoldUntil(end),
            _ => standard,
        })
    }
}

impl Notification for QuietHours {
    /// What the standard behaviour would tell at once is told when the quiet hours end.
    fn judge(&self, context: &Context, _: &Message, _: &notification::Cause) -> Result<notification::Verdict, String> {
        Ok(match (standard::notification(context), self.window.ends(context.now)) {
            (notification::Verdict::Notify(plan), Some(end)) if self.notification => {
                notification::Verdict::Notify(notification::Plan { at: Some(end), ..plan })
            }
            (standard, _) => standard,
        })
    }
}

restante_policy::export!(QuietHours with settings: delivery, notification);
