-- Written by hand: what is planned rebuilds the tables, and dropping "Group" would take everybody out of it.

-- AlterTable
ALTER TABLE "Group" ADD COLUMN "revision" INTEGER NOT NULL DEFAULT 1;

-- AlterTable
ALTER TABLE "Policy" ADD COLUMN "revision" INTEGER NOT NULL DEFAULT 1;
