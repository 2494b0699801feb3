//! Which fields of a loosely typed body a handler reads.
//!
//! A [`Form`] takes any object; a [`Told`] form takes any object as well, and tells the names that mean
//! something, so that its endpoint's description can.

use std::marker::PhantomData;
use std::ops::Deref;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value};

use super::Form;

/// Names of fields.
pub trait Fields {
    /// Those that are read.
    const NAMES: &'static [&'static str];
}

/// A form of which these fields are read.
pub struct Told<F>(pub Form, PhantomData<F>);

impl<F> Deref for Told<F> {
    type Target = Form;
    fn deref(&self) -> &Form {
        &self.0
    }
}

impl<'de, F: Fields> Deserialize<'de> for Told<F> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        input.deserialize_struct("Form", F::NAMES, Whole).map(|form| Self(form, PhantomData))
    }
}

/// Reads an object as it is.
struct Whole;

impl<'de> Visitor<'de> for Whole {
    type Value = Form;
    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut sent: A) -> Result<Form, A::Error> {
        let mut fields = Map::new();
        while let Some((name, value)) = sent.next_entry::<String, Value>()? {
            fields.insert(name, value);
        }
        Ok(Form(fields))
    }
}

macro_rules! fields {
    ($($(#[$about:meta])* $form:ident: $($name:literal)+;)+) => { $(
        $(#[$about])*
        pub struct $form;
        impl Fields for $form {
            const NAMES: &'static [&'static str] = &[$($name),+];
        }
    )+ };
}

fields! {
    /// A key.
    Key: "name" "description" "icon" "tags" "tagOperation" "isActive" "enabled" "ownerId" "userId" "permissions"
        "claudeAccountId" "claudeConsoleAccountId" "ccrAccountId" "bedrockAccountId" "geminiAccountId" "openaiAccountId"
        "openaiResponsesAccountId" "azureOpenaiAccountId" "droidAccountId"
        "rateLimitWindow" "rateLimitRequests" "rateLimitCost" "tokenLimit" "concurrencyLimit"
        "dailyCostLimit" "totalCostLimit" "weeklyOpusCostLimit" "weeklyResetDay" "weeklyResetHour"
        "enableModelRestriction" "restrictedModels" "enableClientRestriction" "allowedClients" "serviceRates"
        "expirationMode" "expiresAt" "activationDays" "activationUnit" "enableOpenAIResponsesCodexAdaptation"
        "enableOpenAIResponsesPayloadRules" "openaiResponsesPayloadRules";
    /// Several keys of one kind.
    KeyBatch: "baseName" "count" "description" "icon" "tags" "isActive" "ownerId" "permissions"
        "claudeAccountId" "claudeConsoleAccountId" "ccrAccountId" "bedrockAccountId" "geminiAccountId" "openaiAccountId"
        "openaiResponsesAccountId" "azureOpenaiAccountId" "droidAccountId"
        "rateLimitWindow" "rateLimitRequests" "rateLimitCost" "tokenLimit" "concurrencyLimit"
        "dailyCostLimit" "totalCostLimit" "weeklyOpusCostLimit" "weeklyResetDay" "weeklyResetHour"
        "enableModelRestriction" "restrictedModels" "enableClientRestriction" "allowedClients" "serviceRates"
        "expirationMode" "expiresAt" "activationDays" "activationUnit";
    /// One change of several keys.
    KeyUpdates: "keyIds" "updates";
    /// Several keys by their ids.
    KeyIds: "keyIds";
    /// The usage of several keys.
    KeyUsage: "keyIds" "timeRange" "startDate" "endDate";
    /// When a key ends.
    Expiration: "expiresAt" "activateNow";
    /// A tag's new name.
    NewName: "newName";
    /// Whether a person may sign in.
    Switch: "isActive";
    /// What a person may do.
    Rank: "role";
    /// A new tag.
    NewTag: "name";
    /// A group of accounts.
    Group: "name" "platform" "description";
    /// An account of any family.
    Account: "name" "description" "isActive" "schedulable" "priority" "maxConcurrentTasks" "maxConcurrency" "dailyQuota"
        "accountType" "groupId" "groupIds" "proxy" "expiresAt" "email" "accountInfo" "subscriptionInfo"
        "apiUrl" "baseUrl" "baseApi" "azureEndpoint" "apiKey" "accessToken" "refreshToken" "claudeAiOauth" "geminiOauth"
        "openaiOauth" "awsCredentials" "bearerToken" "supportedModels" "userAgent" "region" "projectId" "apiVersion"
        "deploymentName" "providerEndpoint" "defaultModel" "oauthProvider" "quotaResetTime" "rateLimitDuration"
        "disableAutoProtection" "autoStopOnWarning" "useUnifiedUserAgent" "useUnifiedClientId" "unifiedClientId"
        "interceptWarmup" "disableTempUnavailable" "tempUnavailable503TtlSeconds" "tempUnavailable5xxTtlSeconds" "extInfo";
    /// The model an account is tried with.
    Trial: "model";
    /// How a sign-in at a vendor begins.
    SignIn: "proxy";
    /// How a sign-in at Google begins.
    GoogleSignIn: "oauthProvider" "proxy";
    /// What a vendor's page gave.
    Code: "sessionId" "authorizationCode" "code" "callbackUrl";
    /// A sign-in that was begun.
    Session: "sessionId";
    /// A key's secret.
    Secret: "apiKey";
    /// A key by its secret or its id.
    Which: "apiKey" "apiId";
    /// A key and a span of time.
    WhichAndWhen: "apiKey" "apiId" "period";
    /// Several keys by their public ids.
    Several: "apiIds" "period";
    /// A question put through a key.
    Question: "apiKey" "model" "prompt" "maxTokens";
    /// The site's face.
    Site: "siteName" "siteIcon" "siteIconData" "showAdminButton" "apiStatsNotice";
    /// A name and its password.
    Credentials: "username" "password";
    /// A program that asks after a balance.
    Script: "scriptBody" "timeoutSeconds";
    /// Rates of services.
    Rates: "rates";
    /// A login by a browser's cookie.
    Cookie: "sessionKey" "proxy";
    /// Cards to be made.
    Cards: "type" "quotaAmount" "timeAmount" "timeUnit" "count" "expiresAt" "note";
    /// The limits of cards.
    CardLimits: "enabled" "maxExpiryDays" "maxTotalCostLimit";
    /// Why something is done.
    Reason: "reason";
    /// Accounts by their ids.
    Accounts: "accounts" "accountIds";
    /// When and with which model an account is tried.
    TestPlan: "enabled" "cronExpression" "model";
    /// Where and of what webhooks are sent.
    Webhook: "enabled" "platforms" "notificationTypes" "retrySettings";
    /// A card for a key.
    Redeem: "apiId" "code";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openapi::probe;

    #[test]
    fn a_form_tells_its_names_and_takes_others() {
        let schema = probe::of::<Told<Group>>().schema();
        assert_eq!(schema["properties"].as_object().unwrap().len(), 3);
        assert!(schema.get("required").is_none());
        let sent: Told<Group> = serde_json::from_str(r#"{"name":"a","else":[1]}"#).unwrap();
        assert_eq!(sent.0.0.len(), 2);
        assert!(serde_json::from_str::<Told<Group>>("[]").is_err());
    }
}
