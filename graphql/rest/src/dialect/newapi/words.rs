//! What this system's people read in Chinese: refusals that are worded in English, and why a call failed. A sentence
//! that is not listed stays as it is.

use std::borrow::Cow;

/// Sentences as they are.
const SENTENCES: &[(&str, &str)] = &[
    ("the vendor could not be reached", "无法连接上游"),
    ("the vendor closed the connection early", "上游提前关闭了连接"),
    ("the vendor's answer was cut off", "上游的响应中断"),
    ("the vendor's answer was too long", "上游的响应过长"),
    ("the vendor did not answer in time", "上游响应超时"),
    ("the account has no base URL", "渠道没有填写 API 地址"),
    ("vendors of this kind of account tell no balance", "此类型的渠道不支持查询余额"),
    ("the vendor of this account tells no list of models", "此渠道的上游不提供模型列表"),
    ("this vendor tells no list of models", "此类型的上游不提供模型列表"),
    ("a new key cannot have ended already", "过期时间不能早于当前时间"),
    ("a password has 8 to 128 characters", "密码长度必须为 8-128 个字符"),
    ("there is no such card", "无效的兑换码"),
    ("the card has been used", "该兑换码已被使用"),
    ("the card has expired", "该兑换码已过期"),
    ("the card is disabled", "该兑换码已被禁用"),
    ("the card was changed meanwhile; try again", "该兑换码刚被修改，请重试"),
    ("the cards would have expired already", "过期时间不能早于当前时间"),
    ("enter the code of a card", "请输入兑换码"),
    ("you have redeemed this card already", "您已兑换过该兑换码"),
    ("the card has been redeemed; only unused cards can be deleted", "该兑换码已被兑换，只能删除未使用的兑换码"),
    ("the card has been redeemed; its value stays", "该兑换码已被兑换，不能修改额度"),
    ("too many wrong card codes; try again later", "兑换码错误次数过多，请稍后再试"),
    ("too many sign-in attempts; try again later", "登录尝试过于频繁，请稍后再试"),
    ("no mail server is set up here", "本站没有设置邮件服务器"),
    ("the letter could not be sent; try again later", "邮件发送失败，请稍后重试"),
    ("a balance cannot be set below zero", "余额不能小于 0"),
    ("no credentials yet", "尚未填写密钥"),
    ("the login has ended and cannot be renewed", "登录已失效，且无法续期"),
    ("the vendor broke a stream off", "上游中断了流式响应"),
    ("too many messages wait for their turn at this account", "等待此渠道处理的消息过多"),
    ("the task did not end in time", "任务未在时限内完成"),
    ("sign in first", "无权进行此操作，未登录"),
    ("the access token is invalid", "无权进行此操作，access token 无效"),
    ("the session is invalid or has expired", "无权进行此操作，登录已失效，请重新登录"),
    ("the last super admin cannot be removed, suspended or demoted", "不能删除、禁用或降级最后一个超级管理员"),
    ("this person's role is not below yours", "无权操作同级或更高等级的用户"),
    ("a role is given only by somebody above it", "无权授予同级或更高等级的权限"),
    ("nobody changes their own role", "不能修改自己的等级"),
    ("nobody suspends themselves", "不能禁用自己"),
    ("user not found", "用户不存在"),
    ("api key not found", "令牌不存在"),
    ("token not found", "令牌不存在"),
    ("account not found", "渠道不存在"),
    ("card not found", "兑换码不存在"),
];

/// Sentences by how they begin and end; `{}` holds what stood between, in Chinese where that is known.
const FORMS: &[(&str, &str, &str)] = &[
    ("this needs the role ", "", "无权进行此操作，权限不足"),
    ("", " is no address or network", "{} 不是有效的 IP 地址或网段"),
    ("the vendor answered ", "", "上游返回状态码 {}"),
    ("too many requests; try again in ", " seconds", "请求过于频繁，请在 {} 秒后重试"),
    ("too many letters were asked for; try again in ", " seconds", "发送邮件过于频繁，请在 {} 秒后重试"),
    // What a channel needs, by its kind.
    ("a ", " account needs an address", "{} 类型的渠道需要填写 API 地址"),
    ("a ", " account needs credentials", "{} 类型的渠道需要填写密钥"),
    ("a ", " account is opened by a key", "{} 类型的渠道需要使用 API 密钥"),
    ("a ", " account is opened by OAuth tokens", "{} 类型的渠道需要使用 OAuth 令牌"),
    ("a ", " account needs an access token or a refresh token", "{} 类型的渠道需要 access token 或 refresh token"),
    (
        "a ",
        " account needs an access key id and a secret access key",
        "{} 类型的渠道需要 AccessKey ID 与 Secret AccessKey",
    ),
    ("a ", " account needs an access key and a secret key", "{} 类型的渠道需要 AccessKey 与 SecretKey"),
    (
        "a ",
        " account needs a service account's JSON key with client_email and private_key",
        "{} 类型的渠道需要服务账号的 JSON 密钥，其中须有 client_email 与 private_key",
    ),
    // Why a channel was taken out, with what its vendor said.
    ("the vendor does not accept the credential (", ")", "上游不接受此渠道的密钥（{}）"),
    ("the vendor does not allow this account to make the call (", ")", "上游不允许此渠道进行调用（{}）"),
    ("the account has no money left at the vendor (", ")", "此渠道在上游的余额已用尽（{}）"),
    ("the account has reached its limit of spending at the vendor (", ")", "此渠道已达到在上游的消费限额（{}）"),
    ("the vendor has disabled the account (", ")", "上游已停用此渠道的账号（{}）"),
];

/// What the ledger notes by itself.
const NOTES: &[(&str, &str)] = &[
    ("initial balance", "初始额度"),
    ("balance set", "设置余额"),
    ("reward for an invitation", "邀请用户奖励"),
    ("registered by an invitation", "使用邀请码注册"),
    ("the task failed", "任务失败"),
];

/// A note of the ledger, in Chinese where nobody wrote it.
pub fn note(text: &str) -> &str {
    NOTES.iter().find(|(english, _)| *english == text).map_or(text, |(_, known)| *known)
}

/// A sentence in Chinese, where it is known.
pub fn chinese(text: &str) -> Cow<'_, str> {
    let whole = SENTENCES.iter().find(|(english, _)| *english == text).map(|(_, known)| *known);
    if let Some(known) = whole {
        return Cow::Borrowed(known);
    }
    let formed = FORMS.iter().find_map(|(begin, end, known)| {
        let named = text.strip_prefix(*begin)?.strip_suffix(*end)?;
        Some(known.replace("{}", &chinese(named)))
    });
    formed.map_or(Cow::Borrowed(text), Cow::Owned)
}

/// Why a call failed, by the word under which that is booked, with the status where it is the vendor's.
pub fn failure(code: &str, status: i64) -> String {
    let why = match code {
        "no_account" => "当前没有可用的渠道",
        "refused_by_vendor" => "上游拒绝了请求",
        "upstream_error" => "上游返回错误",
        "upstream_cut" => "上游中断了响应",
        "client_gone" => "客户端已断开连接",
        "aborted" => "请求被中止",
        "permission_denied" => "令牌没有权限进行此调用",
        "session_binding_error" => "会话已绑定到其他渠道",
        "thread_not_held" => "找不到会话所在的渠道",
        "pin_not_found" => "找不到所引用内容所在的渠道",
        "pin_not_read" => "暂时无法确认所引用内容所在的渠道",
        "no_task" => "上游没有返回任务编号",
        "task_not_kept" => "任务未能保存",
        "unsupported" => "渠道不支持此调用",
        _ => "",
    };
    match (why, code) {
        ("", "") => format!("调用失败，状态码 {status}"),
        ("", code) => format!("调用失败：{code}，状态码 {status}"),
        (why, "refused_by_vendor" | "upstream_error") if status >= 400 => format!("{why}，状态码 {status}"),
        (why, _) => why.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use schema::model::account::AccountKind;
    use schema::service::account::Credentials;

    use super::*;

    #[test]
    fn known_sentences_are_chinese_and_others_stay() {
        assert_eq!(chinese("there is no such card"), "无效的兑换码");
        assert_eq!(chinese("10.0.0.x is no address or network"), "10.0.0.x 不是有效的 IP 地址或网段");
        assert_eq!(chinese("this needs the role super_admin"), "无权进行此操作，权限不足");
        assert_eq!(chinese("密码错误"), "密码错误");
        assert_eq!(chinese("too many requests; try again in 12 seconds"), "请求过于频繁，请在 12 秒后重试");
        let dead = "the vendor does not accept the credential (the vendor answered 401)";
        assert_eq!(chinese(dead), "上游不接受此渠道的密钥（上游返回状态码 401）");
        let own = "the vendor has disabled the account (This organization has been disabled.)";
        assert_eq!(chinese(own), "上游已停用此渠道的账号（This organization has been disabled.）");
        let key = Credentials::ServiceAccount { json: "{}".into() }.check(AccountKind::Vertex).unwrap_err().to_string();
        assert!(chinese(&key).starts_with("vertex 类型的渠道需要服务账号的 JSON 密钥"), "{key}");
        assert_eq!((note("balance set"), note("for the good work")), ("设置余额", "for the good work"));
        assert_eq!(failure("no_account", 503), "当前没有可用的渠道");
        assert_eq!(failure("refused_by_vendor", 400), "上游拒绝了请求，状态码 400");
        assert_eq!(failure("upstream_error", 200), "上游返回错误");
        assert_eq!(failure("odd", 500), "调用失败：odd，状态码 500");
    }
}
