-- AlterTable
ALTER TABLE "SignInLink" ADD COLUMN "creatorId" TEXT;
