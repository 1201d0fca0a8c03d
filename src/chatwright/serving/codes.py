"""Every `code` that an error of this server can have. Pages say each in their own language; a test holds the list true.

In: nothing.  Out: names, as they stand in the description of the API.
"""

from __future__ import annotations

__all__ = ["ERROR_CODES"]

GENERAL = """
conflict content_filter context_length_exceeded decimal_above_max_value decimal_below_min_value empty_array forbidden
host_not_allowed insufficient_quota integer_above_max_value integer_below_min_value internal_error invalid_api_key
invalid_json invalid_type invalid_value method_not_allowed missing_api_key missing_required_parameter model_error
model_not_found moderation_not_configured no_chat_template not_found origin_not_allowed rate_limit_exceeded
request_too_large body_timeout server_busy server_unavailable too_many unsupported_parameter
"""
PEOPLE = """
bad_name begin_with_own_account invitation_gone invitation_hours link_ended local_account name_taken not_signed_in
only_admin password_length role_too_low too_many_logins wrong_password bad_key_name bad_limit bad_model_name bad_setting
"""
WORK = """
already_learned bad_file changed_meanwhile chat_rating_missing comment_too_long comparison_closed daily_cap explain_gone
lease_ended no_answers_yet no_comparisons no_feedback_in_file no_loading no_model no_prompts no_reward_model
no_simulated_labeler no_stage not_collected not_explainable nothing_promoted nothing_to_export nothing_to_rate
nothing_to_undo nothing_written ranks_missing rating_missing same_answers task_done task_gone text_too_long
title_too_long too_long too_many_reasons try_again
"""
ERROR_CODES = tuple(sorted(f"{GENERAL} {PEOPLE} {WORK}".split()))
