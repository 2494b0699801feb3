// @generated automatically by Diesel CLI.

diesel::table! {
    account_events (id) {
        id -> BigInt,
        account_id -> BigInt,
        at -> BigInt,
        health -> Text,
        status -> BigInt,
        note -> Text,
    }
}

diesel::table! {
    account_group_members (group_id, account_id) {
        group_id -> BigInt,
        account_id -> BigInt,
    }
}

diesel::table! {
    account_groups (id) {
        id -> BigInt,
        uid -> Text,
        name -> Text,
        platform -> Text,
        description -> Text,
        created_at -> BigInt,
        updated_at -> BigInt,
        version -> BigInt,
    }
}

diesel::table! {
    accounts (id) {
        id -> BigInt,
        uid -> Text,
        kind -> Text,
        name -> Text,
        description -> Text,
        enabled -> Bool,
        schedulable -> Bool,
        health -> Text,
        health_note -> Text,
        cool_until -> Nullable<BigInt>,
        base_url -> Nullable<Text>,
        credentials -> Binary,
        proxy -> Nullable<Binary>,
        hint -> Text,
        models -> Text,
        groups -> Text,
        sharing -> Text,
        priority -> BigInt,
        weight -> BigInt,
        max_concurrency -> BigInt,
        daily_quota -> Nullable<BigInt>,
        tag -> Text,
        options -> Text,
        info -> Text,
        token_expires_at -> Nullable<BigInt>,
        subscription_expires_at -> Nullable<BigInt>,
        last_used_at -> Nullable<BigInt>,
        spent -> BigInt,
        created_at -> BigInt,
        updated_at -> BigInt,
        deleted_at -> Nullable<BigInt>,
        version -> BigInt,
    }
}

diesel::table! {
    announcement_reads (announcement_id, user_id) {
        announcement_id -> BigInt,
        user_id -> BigInt,
        read_at -> BigInt,
    }
}

diesel::table! {
    announcements (id) {
        id -> BigInt,
        uid -> Text,
        title -> Text,
        content -> Text,
        summary -> Text,
        kind -> Text,
        status -> Text,
        priority -> BigInt,
        published_at -> Nullable<BigInt>,
        expires_at -> Nullable<BigInt>,
        created_by -> Nullable<BigInt>,
        created_at -> BigInt,
        updated_at -> BigInt,
        version -> BigInt,
    }
}

diesel::table! {
    api_keys (id) {
        id -> BigInt,
        uid -> Text,
        user_id -> BigInt,
        name -> Text,
        description -> Text,
        digest -> Text,
        prefix -> Text,
        hint -> Text,
        source -> Text,
        status -> Text,
        permissions -> Text,
        group_name -> Nullable<Text>,
        bindings -> Text,
        limits -> Text,
        rules -> Text,
        tags -> Text,
        budget -> Nullable<BigInt>,
        spent -> BigInt,
        request_count -> BigInt,
        expires_at -> Nullable<BigInt>,
        expiry_mode -> Text,
        activate_ms -> Nullable<BigInt>,
        activated_at -> Nullable<BigInt>,
        last_used_at -> Nullable<BigInt>,
        created_by -> Text,
        extra -> Text,
        created_at -> BigInt,
        updated_at -> BigInt,
        deleted_at -> Nullable<BigInt>,
        deleted_by -> Nullable<Text>,
        version -> BigInt,
    }
}

diesel::table! {
    audit_log (id) {
        id -> BigInt,
        at -> BigInt,
        actor_id -> Nullable<BigInt>,
        actor_name -> Text,
        face -> Text,
        ip -> Text,
        request_id -> Text,
        action -> Text,
        target_kind -> Text,
        target_id -> Text,
        before -> Text,
        after -> Text,
    }
}

diesel::table! {
    call_contents (call_id) {
        call_id -> Text,
        at -> BigInt,
        system_prompt -> Text,
        user_message -> Text,
        assistant_message -> Text,
        error_message -> Text,
    }
}

diesel::table! {
    card_redemptions (id) {
        id -> BigInt,
        card_id -> BigInt,
        user_id -> BigInt,
        value -> BigInt,
        plan_id -> Nullable<BigInt>,
        created_at -> BigInt,
        key_id -> Nullable<BigInt>,
        key_ms -> BigInt,
        taken_back_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    cards (id) {
        id -> BigInt,
        digest -> Text,
        code -> Binary,
        hint -> Text,
        kind -> Text,
        value -> BigInt,
        plan_id -> Nullable<BigInt>,
        plan_days -> BigInt,
        uses_allowed -> BigInt,
        uses_left -> BigInt,
        enabled -> Bool,
        expires_at -> Nullable<BigInt>,
        name -> Text,
        note -> Text,
        batch -> Text,
        created_by -> Nullable<BigInt>,
        created_at -> BigInt,
        last_redeemed_at -> Nullable<BigInt>,
        last_redeemed_by -> Nullable<BigInt>,
        version -> BigInt,
        key_ms -> BigInt,
        removed_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    export_chunks (export_id, seq) {
        export_id -> BigInt,
        seq -> BigInt,
        body -> Binary,
    }
}

diesel::table! {
    exports (id) {
        id -> BigInt,
        user_id -> BigInt,
        kind -> Text,
        format -> Text,
        wanted -> Text,
        wide -> Bool,
        status -> Text,
        fail_reason -> Text,
        position -> Nullable<Text>,
        chunk_count -> BigInt,
        row_count -> BigInt,
        byte_count -> BigInt,
        holder -> Text,
        held_until -> BigInt,
        tries -> BigInt,
        created_at -> BigInt,
        updated_at -> BigInt,
        started_at -> Nullable<BigInt>,
        finished_at -> Nullable<BigInt>,
        expires_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    idempotency (actor, operation, idem_key) {
        actor -> Text,
        operation -> Text,
        idem_key -> Text,
        input_digest -> Text,
        answer -> Text,
        created_at -> BigInt,
        expires_at -> BigInt,
    }
}

diesel::table! {
    leases (name) {
        name -> Text,
        holder -> Text,
        expires_at -> BigInt,
    }
}

diesel::table! {
    ledger_entries (id) {
        id -> BigInt,
        user_id -> BigInt,
        seq -> BigInt,
        kind -> Text,
        amount -> BigInt,
        balance_after -> BigInt,
        reference -> Text,
        idem_key -> Nullable<Text>,
        note -> Text,
        actor -> Text,
        created_at -> BigInt,
    }
}

diesel::table! {
    models (id) {
        id -> BigInt,
        name -> Text,
        display_name -> Text,
        provider -> Text,
        category -> Text,
        description -> Text,
        enabled -> Bool,
        context_window -> Nullable<BigInt>,
        max_output -> Nullable<BigInt>,
        price -> Nullable<Text>,
        override_price -> Nullable<Text>,
        created_at -> BigInt,
        updated_at -> BigInt,
        version -> BigInt,
    }
}

diesel::table! {
    oauth_states (digest) {
        digest -> Text,
        purpose -> Text,
        provider -> Text,
        user_id -> Nullable<BigInt>,
        payload -> Binary,
        created_at -> BigInt,
        expires_at -> BigInt,
    }
}

diesel::table! {
    orders (id) {
        id -> BigInt,
        no -> Text,
        user_id -> BigInt,
        kind -> Text,
        plan_id -> Nullable<BigInt>,
        replaces_id -> Nullable<BigInt>,
        amount -> BigInt,
        currency -> Text,
        credit -> BigInt,
        period_days -> BigInt,
        method -> Text,
        status -> Text,
        provider_ref -> Nullable<Text>,
        transaction_id -> Nullable<Text>,
        pay_url -> Nullable<Text>,
        qr_content -> Nullable<Text>,
        paid_amount -> Nullable<BigInt>,
        paid_currency -> Nullable<Text>,
        refunded_amount -> BigInt,
        note -> Text,
        client_ip -> Text,
        created_at -> BigInt,
        expires_at -> BigInt,
        paid_at -> Nullable<BigInt>,
        activated_at -> Nullable<BigInt>,
        closed_at -> Nullable<BigInt>,
        checked_at -> Nullable<BigInt>,
        updated_at -> BigInt,
        version -> BigInt,
    }
}

diesel::table! {
    payment_events (id) {
        id -> BigInt,
        provider -> Text,
        event_id -> Text,
        order_no -> Text,
        outcome -> Text,
        amount -> Nullable<BigInt>,
        currency -> Nullable<Text>,
        detail -> Text,
        received_at -> BigInt,
    }
}

diesel::table! {
    pins (scope, key_id, resource) {
        scope -> Text,
        key_id -> BigInt,
        resource -> Text,
        account_id -> BigInt,
        account_key -> Text,
        created_at -> BigInt,
        expires_at -> BigInt,
    }
}

diesel::table! {
    plans (id) {
        id -> BigInt,
        slug -> Text,
        name -> Text,
        display_name -> Text,
        description -> Text,
        price -> BigInt,
        original_price -> Nullable<BigInt>,
        currency -> Text,
        cycle -> Text,
        cycle_days -> BigInt,
        features -> Text,
        selling_points -> Text,
        recommended -> Bool,
        promotion_ends_at -> Nullable<BigInt>,
        is_active -> Bool,
        is_visible -> Bool,
        sort -> BigInt,
        created_at -> BigInt,
        updated_at -> BigInt,
        deleted_at -> Nullable<BigInt>,
        version -> BigInt,
    }
}

diesel::table! {
    request_logs (id) {
        id -> BigInt,
        at -> BigInt,
        kind -> Text,
        face -> Text,
        method -> Text,
        path -> Text,
        status -> BigInt,
        user_id -> Nullable<BigInt>,
        ip -> Text,
        agent -> Text,
        duration_ms -> BigInt,
        request_size -> BigInt,
        response_size -> BigInt,
        request_id -> Text,
    }
}

diesel::table! {
    revoked_tokens (jti) {
        jti -> Text,
        expires_at -> BigInt,
    }
}

diesel::table! {
    sessions (id) {
        id -> Text,
        user_id -> BigInt,
        kind -> Text,
        family -> Text,
        face -> Text,
        digest -> Text,
        token_version -> BigInt,
        ip -> Text,
        agent -> Text,
        created_at -> BigInt,
        expires_at -> BigInt,
        used_at -> Nullable<BigInt>,
        revoked_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    settings (name) {
        name -> Text,
        value -> Text,
        sealed -> Bool,
        version -> BigInt,
        updated_at -> BigInt,
        updated_by -> Text,
    }
}

diesel::table! {
    subscriptions (id) {
        id -> BigInt,
        user_id -> BigInt,
        plan_id -> BigInt,
        status -> Text,
        source -> Text,
        order_id -> Nullable<BigInt>,
        started_at -> BigInt,
        expires_at -> BigInt,
        auto_renew -> Bool,
        cancelled_at -> Nullable<BigInt>,
        created_at -> BigInt,
        updated_at -> BigInt,
        version -> BigInt,
    }
}

diesel::table! {
    tasks (id) {
        id -> BigInt,
        uid -> Text,
        call_id -> Text,
        user_id -> BigInt,
        key_id -> BigInt,
        account_id -> BigInt,
        account_key -> Text,
        platform -> Text,
        action -> Text,
        model -> Text,
        upstream_id -> Nullable<Text>,
        status -> Text,
        progress -> BigInt,
        request -> Text,
        result -> Text,
        fail_reason -> Text,
        cost -> BigInt,
        from_wallet -> Bool,
        refunded_at -> Nullable<BigInt>,
        notify_url -> Nullable<Text>,
        submitted_at -> Nullable<BigInt>,
        started_at -> Nullable<BigInt>,
        finished_at -> Nullable<BigInt>,
        next_poll_at -> BigInt,
        polls -> BigInt,
        notify_at -> Nullable<BigInt>,
        notify_tries -> BigInt,
        created_at -> BigInt,
        updated_at -> BigInt,
        version -> BigInt,
    }
}

diesel::table! {
    usage (call_id, at) {
        call_id -> Text,
        at -> BigInt,
        user_id -> BigInt,
        key_id -> BigInt,
        account_id -> BigInt,
        model -> Text,
        upstream_model -> Text,
        dialect -> Text,
        operation -> Text,
        stream -> Bool,
        status -> BigInt,
        error_code -> Text,
        input -> BigInt,
        cache_read -> BigInt,
        cache_write_5m -> BigInt,
        cache_write_1h -> BigInt,
        output -> BigInt,
        reasoning -> BigInt,
        audio -> BigInt,
        images -> BigInt,
        cost -> BigInt,
        raw_cost -> BigInt,
        estimated -> Bool,
        first_byte_ms -> BigInt,
        duration_ms -> BigInt,
        ip -> Text,
        client -> Text,
        meta -> Text,
    }
}

diesel::table! {
    usage_hourly (hour, key_id, account_id, user_id, model, dialect) {
        hour -> BigInt,
        key_id -> BigInt,
        account_id -> BigInt,
        user_id -> BigInt,
        model -> Text,
        dialect -> Text,
        requests -> BigInt,
        errors -> BigInt,
        input -> BigInt,
        cache_read -> BigInt,
        cache_write_5m -> BigInt,
        cache_write_1h -> BigInt,
        output -> BigInt,
        reasoning -> BigInt,
        audio -> BigInt,
        images -> BigInt,
        cost -> BigInt,
        raw_cost -> BigInt,
        first_byte_ms -> BigInt,
        duration_ms -> BigInt,
    }
}

diesel::table! {
    usage_totals (hour, model, dialect) {
        hour -> BigInt,
        model -> Text,
        dialect -> Text,
        requests -> BigInt,
        errors -> BigInt,
        input -> BigInt,
        cache_read -> BigInt,
        cache_write_5m -> BigInt,
        cache_write_1h -> BigInt,
        output -> BigInt,
        reasoning -> BigInt,
        audio -> BigInt,
        images -> BigInt,
        cost -> BigInt,
        raw_cost -> BigInt,
        first_byte_ms -> BigInt,
        duration_ms -> BigInt,
    }
}

diesel::table! {
    user_identities (id) {
        id -> BigInt,
        user_id -> BigInt,
        provider -> Text,
        subject -> Text,
        email -> Nullable<Text>,
        name -> Text,
        created_at -> BigInt,
    }
}

diesel::table! {
    users (id) {
        id -> BigInt,
        uid -> Text,
        username -> Text,
        username_key -> Text,
        email -> Nullable<Text>,
        email_key -> Nullable<Text>,
        email_verified -> Bool,
        display_name -> Text,
        password_hash -> Nullable<Text>,
        role -> Text,
        status -> Text,
        group_name -> Text,
        token_version -> BigInt,
        balance -> BigInt,
        wallet_seq -> BigInt,
        spent -> BigInt,
        request_count -> BigInt,
        aff_code -> Text,
        inviter_id -> Nullable<BigInt>,
        avatar -> Text,
        bio -> Text,
        remark -> Text,
        prefs -> Text,
        access_digest -> Nullable<Text>,
        created_at -> BigInt,
        updated_at -> BigInt,
        last_login_at -> Nullable<BigInt>,
        deleted_at -> Nullable<BigInt>,
        version -> BigInt,
    }
}

diesel::allow_tables_to_appear_in_same_query!(
    account_events,
    account_group_members,
    account_groups,
    accounts,
    announcement_reads,
    announcements,
    api_keys,
    audit_log,
    call_contents,
    card_redemptions,
    cards,
    export_chunks,
    exports,
    idempotency,
    leases,
    ledger_entries,
    models,
    oauth_states,
    orders,
    payment_events,
    pins,
    plans,
    request_logs,
    revoked_tokens,
    sessions,
    settings,
    subscriptions,
    tasks,
    usage,
    usage_hourly,
    usage_totals,
    user_identities,
    users,
);
