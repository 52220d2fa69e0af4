
    UPDATE delivery SET lease = $1, due_at = $2, attempts = attempts + 1
    WHERE id IN (SELECT id FROM delivery WHERE state = 'pending' AND channel = $3 AND lane = $4 AND due_at <= $5
                 ORDER BY due_at, id LIMIT $6)
    RETURNING id, kind, subscriber_id, article_id, change_id, set_id, run_id, opt_in_id, attempts, created_at,
        (SELECT s.email FROM subscriber s WHERE s.id = delivery.subscriber_id) AS email,
        COALESCE((SELECT s.locale FROM subscriber s WHERE s.id = delivery.subscriber_id), 'vi') AS locale,
        COALESCE((SELECT ch.revision FROM change ch WHERE ch.id = delivery.change_id), 0) AS revision,
        CASE WHEN channel = 'email' AND kind = 'published' THEN
            (SELECT string_agg(CAST(fa.feed_id AS TEXT), ',' ORDER BY fa.feed_id)
             FROM subscription w
             JOIN feed_article fa ON fa.feed_id = w.feed_id AND fa.article_id = delivery.article_id AND fa.left_at IS NULL
             JOIN article a ON a.id = fa.article_id AND a.visible
             WHERE w.subscriber_id = delivery.subscriber_id AND w.channel = 'email' AND w.frequency = 'immediate'
               AND w.state = 'confirmed')
        END AS feeds