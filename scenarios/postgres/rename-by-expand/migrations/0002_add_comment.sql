SET lock_timeout = '2s';
ALTER TABLE orders ADD COLUMN comment text;

CREATE FUNCTION orders_note_is_comment() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        NEW.comment := coalesce(NEW.comment, NEW.note);
        NEW.note := NEW.comment;
    ELSIF NEW.note IS DISTINCT FROM OLD.note THEN
        NEW.comment := NEW.note;
    ELSE
        NEW.note := NEW.comment;
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER orders_note_is_comment BEFORE INSERT OR UPDATE ON orders
    FOR EACH ROW EXECUTE FUNCTION orders_note_is_comment();
