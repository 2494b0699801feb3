//! Options that this system's pages read and write and that are no settings here: how it always is, and why.

use schema::App;
use schema::money::QUOTA_PER_DOLLAR;

/// An option that cannot be changed.
pub struct Fixed {
    pub key: &'static str,
    pub value: String,
    /// Why, for whoever tries.
    pub why: &'static str,
}

const ALWAYS: &str = "此功能始终启用";
const MIDJOURNEY: &str = "绘图任务始终由后台轮询并按账号权限处理，没有此开关";
const PROMPTS: &str = "检查的就是提示词，请用 CheckSensitiveEnabled 开关";
const NO_ANSWERS: &str = "只检查提示词，不检查也不中断回复";
const HEALTH: &str = "渠道出错时自动暂停，恢复后自动启用，无需设置";
const NO_TURNSTILE: &str = "登录与注册按地址和用户名限速，没有 Turnstile 校验";
const NO_WORKER: &str = "图片等文件由本系统直接获取";
const AS_SENT: &str = "请求按原样转发，无需按供应商改写";

/// Name, value, reason.
const FIXED: &[(&str, &str, &str)] = &[
    ("PasswordLoginEnabled", "true", ALWAYS),
    ("DisplayTokenStatEnabled", "true", ALWAYS),
    ("LogConsumeEnabled", "true", "每次调用都会入账，不能关闭"),
    ("DataExportInterval", "5", "统计数据随结算实时更新，没有导出间隔"),
    ("DemoSiteEnabled", "false", "没有演示模式"),
    ("SelfUseModeEnabled", "false", "没有自用模式；未定价模型的处理见设置 unpriced_models"),
    ("ExposeRatioEnabled", "false", "/api/ratio_config 仅对超级管理员开放，/api/pricing 始终公开"),
    ("QuotaRemindThreshold", "0", "额度预警的阈值与方式由每个用户在个人设置中自行设定"),
    ("PreConsumedQuota", "0", "每次调用按其最大费用精确预留，结算后退还"),
    ("AutomaticDisableChannelEnabled", "true", HEALTH),
    ("AutomaticEnableChannelEnabled", "true", HEALTH),
    ("AutomaticDisableKeywords", "", HEALTH),
    ("ChannelDisableThreshold", "0", "不按响应时间停用渠道；首字节时限见设置 first_byte_seconds"),
    ("GroupGroupRatio", "{}", "倍率按所用分组、用户、模型与服务相乘，没有分组对分组的倍率"),
    ("TopupGroupRatio", "{}", "充值不按分组折算"),
    ("DefaultUseAutoGroup", "false", "新令牌使用用户自己的分组"),
    // On, as its page means it: pictures get finished, by asking for them and by what vendors send.
    ("MjNotifyEnabled", "true", MIDJOURNEY),
    ("MjAccountFilterEnabled", "false", MIDJOURNEY),
    ("MjModeClearEnabled", "false", MIDJOURNEY),
    ("MjActionCheckSuccessEnabled", "true", MIDJOURNEY),
    ("CheckSensitiveOnPromptEnabled", "true", PROMPTS),
    ("StopOnSensitiveEnabled", "false", NO_ANSWERS),
    ("StreamCacheQueueLength", "0", "流式响应逐块立即转发，没有缓存队列"),
    ("TurnstileCheckEnabled", "false", NO_TURNSTILE),
    ("TurnstileSiteKey", "", NO_TURNSTILE),
    ("TurnstileSecretKey", "", NO_TURNSTILE),
    ("WorkerUrl", "", NO_WORKER),
    ("WorkerValidKey", "", NO_WORKER),
    ("WorkerAllowHttpImageRequestEnabled", "false", NO_WORKER),
    ("CustomCallbackAddress", "", "支付回调地址由 PUBLIC_URL 决定"),
    ("global.pass_through_request_enabled", "true", AS_SENT),
    ("gemini.thinking_adapter_enabled", "false", AS_SENT),
    ("claude.thinking_adapter_enabled", "false", AS_SENT),
    ("claude.model_headers_settings", "{}", AS_SENT),
    ("gemini.safety_settings", "{}", AS_SENT),
    ("gemini.version_settings", "{}", AS_SENT),
    ("gemini.supported_imagine_models", "[]", AS_SENT),
    ("gemini.thinking_adapter_budget_tokens_percentage", "0.6", AS_SENT),
    ("claude.thinking_adapter_budget_tokens_percentage", "0.8", AS_SENT),
    ("claude.default_max_tokens", "{}", "请求未给出 max_tokens 时使用设置 default_max_output，不分模型"),
];

/// All of them.
pub fn all(app: &App) -> impl Iterator<Item = Fixed> {
    let computed = [
        ("QuotaPerUnit", QUOTA_PER_DOLLAR.to_string(), "1 美元固定为 500000 额度"),
        ("ServerAddress", app.config.public_url().to_owned(), "由环境变量 PUBLIC_URL 决定"),
    ];
    let constant = FIXED.iter().map(|(key, value, why)| (*key, (*value).to_owned(), *why));
    computed.into_iter().chain(constant).map(|(key, value, why)| Fixed { key, value, why })
}

/// Whether an option is one of those whose value is always the same.
#[cfg(test)]
pub fn is_fixed(option: &str) -> bool {
    FIXED.iter().any(|(key, ..)| *key == option) || ["QuotaPerUnit", "ServerAddress"].contains(&option)
}

#[cfg(test)]
mod tests {
    use super::super::name::NAMES;
    use super::FIXED;

    #[test]
    fn what_is_fixed_is_nowhere_else_and_named_once() {
        for (at, (key, _, why)) in FIXED.iter().enumerate() {
            assert!(!why.is_empty() && NAMES.iter().all(|alias| alias.deployed != *key), "{key}");
            assert!(FIXED.iter().skip(at + 1).all(|(other, ..)| other != key), "{key} twice");
        }
    }
}
