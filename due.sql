
    SELECT CAST(CASE
        WHEN EXISTS (SELECT 1 FROM delivery WHERE state = 'pending' AND channel = $1 AND lane = 'transactional' AND due_at <= $2) THEN 0
        WHEN EXISTS (SELECT 1 FROM delivery WHERE state = 'pending' AND channel = $1 AND lane = 'immediate' AND due_at <= $2) THEN 1
        WHEN EXISTS (SELECT 1 FROM delivery WHERE state = 'pending' AND channel = $1 AND lane = 'digest' AND due_at <= $2) THEN 2
    END AS BIGINT)