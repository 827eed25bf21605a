-- AlterTable
ALTER TABLE "Group" ADD COLUMN     "revision" INTEGER NOT NULL DEFAULT 1;

-- AlterTable
ALTER TABLE "Policy" ADD COLUMN     "revision" INTEGER NOT NULL DEFAULT 1;
